package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// produce sends records in large batches as fast as they are confirmed.
func produce(ctx context.Context, s *settings) error {
	if s.seconds == 0 && s.records == 0 {
		return usageError("--seconds or --records sets the length of this story")
	}
	if err := s.broker.create(ctx, s.topic); err != nil {
		return err
	}
	producers, err := openProducers(ctx, s, s.topic, s.clients)
	if err != nil {
		return err
	}
	defer producers.close()
	if err := producers.send(ctx, s.payloads, 0, s.warm()); err != nil {
		return err
	}
	producers.forget()
	window := s.out.begin("produce")
	err = producers.send(ctx, s.payloads, s.records, s.window())
	window.end()
	if err != nil {
		return err
	}
	records, errors := producers.count()
	window.report(records, records*s.bytes, errors, nil, map[string]any{"clients": s.clients})
	return producers.failed(records)
}

// producers are streams into one topic.
type producers struct {
	streams  []stream
	counts   []*confirms
	stopping atomic.Bool
}

// confirms counts what came back to one stream.
type confirms struct {
	records, errors atomic.Int64
	err             atomic.Pointer[error]
}

func (c *confirms) confirmed(_ []byte, err error) {
	if err != nil {
		c.errors.Add(1)
		c.err.CompareAndSwap(nil, &err)
		return
	}
	c.records.Add(1)
}

func openProducers(ctx context.Context, s *settings, topic string, clients int) (*producers, error) {
	p := &producers{}
	for range clients {
		count := &confirms{}
		one, err := s.broker.openStream(ctx, topic, count.confirmed)
		if err != nil {
			p.close()
			return nil, err
		}
		p.streams = append(p.streams, one)
		p.counts = append(p.counts, count)
	}
	return p, nil
}

// forever is longer than anybody measures.
const forever = 1000 * time.Hour

// send divides the records among the streams and returns when all are confirmed; it puts none after the time given.
// A zero is without limit, and two zeros are nothing to do.
func (p *producers) send(ctx context.Context, payloads *payloads, records int, length time.Duration) error {
	if records == 0 && length == 0 {
		return nil
	}
	ending := now() + length
	errors := make([]error, len(p.streams))
	var running sync.WaitGroup
	for at, one := range p.streams {
		running.Go(func() {
			share := (records + len(p.streams) - 1 - at) / len(p.streams)
			for i := 0; records == 0 || i < share; i++ {
				// Looking at the clock costs more than it is worth for every record.
				if i%64 == 0 && (ctx.Err() != nil || p.stopping.Load() || length > 0 && now() >= ending) {
					break
				}
				one.put(ctx, payloads.at(at*1009+i))
			}
			errors[at] = one.flush(ctx)
		})
	}
	running.Wait()
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// forget what was confirmed until now. Everything is flushed.
func (p *producers) forget() {
	for _, count := range p.counts {
		count.records.Store(0)
		count.errors.Store(0)
	}
}

func (p *producers) count() (records, errors int) {
	for _, count := range p.counts {
		records += int(count.records.Load())
		errors += int(count.errors.Load())
	}
	return records, errors
}

// failed is an error only where nothing went well.
func (p *producers) failed(records int) error {
	for _, count := range p.counts {
		if err := count.err.Load(); err != nil && records == 0 {
			return *err
		}
	}
	return nil
}

func (p *producers) close() {
	for _, one := range p.streams {
		one.close()
	}
}
