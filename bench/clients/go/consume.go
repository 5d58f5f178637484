package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A reader that gets nothing for so long misses records.
const stalledAfter = 30 * time.Second

// consume lets groups read a whole topic, each all of it.
func consume(ctx context.Context, s *settings) error {
	if s.records == 0 {
		return usageError("--records says how many records the topic holds")
	}
	filled, err := fill(ctx, s, s.topic, s.records)
	if err != nil {
		return err
	}
	// A topic that was there is read as it lies: it may be out of the page cache on purpose.
	if filled {
		if err := warmUpReading(ctx, s); err != nil {
			return err
		}
	}
	reading, err := openReading(ctx, s, s.topic, s.groups)
	if err != nil {
		return err
	}
	defer reading.close()
	window := s.out.begin("consume")
	result, err := reading.readAll(ctx, s.records, s.window())
	window.end()
	if err != nil {
		return err
	}
	window.report(result.records, result.records*s.bytes, result.faults, nil,
		map[string]any{"topic": s.topic, "groups": s.groups, "complete": result.complete})
	return nil
}

// fill makes sure that the topic holds so many records. One that holds others is refused, because nothing that is
// counted on it would be what was asked for. It says whether it had to fill it.
func fill(ctx context.Context, s *settings, topic string, records int) (bool, error) {
	held, err := s.broker.held(ctx, topic)
	if err != nil {
		return false, err
	}
	if held == records {
		s.out.say("%s holds its %d records already", topic, records)
		return false, nil
	}
	if held != 0 {
		return false, fmt.Errorf("topic %s holds %d records, not %d: name another, or let a new one be made", topic, held, records)
	}
	if err := s.broker.create(ctx, topic); err != nil {
		return false, err
	}
	producers, err := openProducers(ctx, s, topic, 1)
	if err != nil {
		return false, err
	}
	defer producers.close()
	if err := producers.send(ctx, s.payloads, records, 0); err != nil {
		return false, err
	}
	if confirmed, failed := producers.count(); confirmed != records {
		return false, errors.Join(fmt.Errorf("fill %s: %d records confirmed, %d failed", topic, confirmed, failed), producers.failed(0))
	}
	return true, nil
}

// warmUpReading reads from the start for as long as a warm-up lasts, or to the end.
func warmUpReading(ctx context.Context, s *settings) error {
	if s.warmSeconds == 0 {
		return nil
	}
	reading, err := openReading(ctx, s, s.topic, 0)
	if err != nil {
		return err
	}
	defer reading.close()
	_, err = reading.readAll(ctx, s.records, s.warm())
	return err
}

// reading is several readers of one topic.
type reading struct {
	readers []reader
}

// readingResult is what all readers have had together.
type readingResult struct {
	records  int
	faults   int
	complete bool
}

// openReading opens this many groups, or for 0 one reader that is in no group, and returns when they need only read.
func openReading(ctx context.Context, s *settings, topic string, groups int) (*reading, error) {
	r := &reading{}
	names := []string{""}
	if groups > 0 {
		names = nil
		prefix := fresh(topic)
		for i := range groups {
			names = append(names, fmt.Sprintf("%s-%d", prefix, i))
		}
	}
	for _, name := range names {
		one, err := s.broker.openReader(ctx, topic, fromFirst, name)
		if err != nil {
			r.close()
			return nil, err
		}
		r.readers = append(r.readers, one)
	}
	for _, one := range r.readers {
		if err := one.ready(ctx); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

// readAll lets every reader read so many records, but not longer than the time given (0 is without limit). A record
// that is missing when nothing more comes, or that comes too often, is a fault.
func (r *reading) readAll(ctx context.Context, records int, length time.Duration) (readingResult, error) {
	limited := ctx
	if length > 0 {
		var stop context.CancelFunc
		limited, stop = context.WithTimeout(ctx, length)
		defer stop()
	}
	var had, faults atomic.Int64
	failed := make([]error, len(r.readers))
	var running sync.WaitGroup
	for at, one := range r.readers {
		running.Go(func() {
			got, wrong, err := readOne(limited, one, records)
			had.Add(int64(got))
			faults.Add(int64(wrong))
			failed[at] = err
		})
	}
	running.Wait()
	result := readingResult{records: int(had.Load()), faults: int(faults.Load())}
	result.complete = result.records == records*len(r.readers)
	for _, err := range failed {
		if err != nil {
			return result, err
		}
	}
	return result, ctx.Err()
}

// readOne reads until it has had so many records, or its time is over. The end of its time is no fault.
func readOne(limited context.Context, one reader, records int) (got, faults int, err error) {
	for got < records && limited.Err() == nil {
		waiting, stop := context.WithTimeout(limited, stalledAfter)
		some, err := one.read(waiting, nil)
		stalled := waiting.Err() != nil
		stop()
		got += some.records
		faults += some.faults
		switch {
		case limited.Err() != nil:
		case stalled:
			return got, faults + records - got, nil
		case err != nil:
			return got, faults, err
		}
	}
	return got, faults + max(0, got-records), nil
}

func (r *reading) close() {
	for _, one := range r.readers {
		one.close()
	}
}
