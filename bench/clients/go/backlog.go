package main

import (
	"context"
	"errors"
	"sync/atomic"
)

// A backlog is filled in so many parts, each with a rate of its own.
const backlogParts = 10

// backlog fills a topic that nobody reads, produces beside it, and reads it.
func backlog(ctx context.Context, s *settings) error {
	if s.records < backlogParts {
		return usageError("--records is at least 10 here")
	}
	held, err := s.broker.held(ctx, s.topic)
	if err != nil {
		return err
	}
	if held == 0 {
		err = fillBacklog(ctx, s)
	} else {
		// It says that all is there, or refuses.
		_, err = fill(ctx, s, s.topic, s.records)
	}
	if err != nil {
		return err
	}
	if err := produceBeside(ctx, s); err != nil {
		return err
	}
	return readBacklog(ctx, s)
}

func fillBacklog(ctx context.Context, s *settings) error {
	if err := warmUpBroker(ctx, s); err != nil {
		return err
	}
	if err := s.broker.create(ctx, s.topic); err != nil {
		return err
	}
	producers, err := openProducers(ctx, s, s.topic, 1)
	if err != nil {
		return err
	}
	defer producers.close()
	var rates []int
	window := s.out.begin("fill")
	for part := range backlogParts {
		records := s.records*(part+1)/backlogParts - s.records*part/backlogParts
		before := now()
		if err := producers.send(ctx, s.payloads, records, 0); err != nil {
			return err
		}
		rates = append(rates, int(float64(records)/(now()-before).Seconds()))
	}
	window.end()
	records, failed := producers.count()
	window.report(records, records*s.bytes, failed, nil, map[string]any{"part_rates": rates})
	return producers.failed(records)
}

// produceBeside produces to a new topic while the backlog stands.
func produceBeside(ctx context.Context, s *settings) error {
	topic := s.topic + fresh("-beside")
	if err := s.broker.create(ctx, topic); err != nil {
		return err
	}
	producers, err := openProducers(ctx, s, topic, 1)
	if err != nil {
		return err
	}
	defer producers.close()
	if err := producers.send(ctx, s.payloads, 0, s.warm()); err != nil {
		return err
	}
	producers.forget()
	window := s.out.begin("beside")
	err = producers.send(ctx, s.payloads, 0, s.window())
	window.end()
	if err != nil {
		return err
	}
	records, failed := producers.count()
	window.report(records, records*s.bytes, failed, nil, nil)
	return producers.failed(records)
}

func readBacklog(ctx context.Context, s *settings) error {
	reading, err := openReading(ctx, s, s.topic, 1)
	if err != nil {
		return err
	}
	defer reading.close()
	window := s.out.begin("read")
	result, err := reading.readAll(ctx, s.records, 0)
	window.end()
	if err != nil {
		return err
	}
	window.report(result.records, result.records*s.bytes, result.faults, nil, map[string]any{"topic": s.topic, "complete": result.complete})
	return nil
}

// slowConsumer measures a tail reader, alone and beside one that reads a backlog from its start again and again.
func slowConsumer(ctx context.Context, s *settings) error {
	if s.seconds == 0 || s.records == 0 {
		return usageError("--seconds sets the length of each part, and --records the length of the backlog")
	}
	old := s.topic + "-old"
	if _, err := fill(ctx, s, old, s.records); err != nil {
		return err
	}
	t, err := openPacedTail(ctx, s, s.topic, 0)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.window(ctx, "alone", nil); err != nil {
		return err
	}
	again := &readingAgain{settings: s, topic: old}
	ending, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- again.run(ending) }()
	err = t.window(ctx, "beside", again.had)
	stop()
	return errors.Join(err, <-done)
}

// readingAgain reads a topic from its start whenever it has come to its end.
type readingAgain struct {
	settings *settings
	topic    string
	records  atomic.Int64
}

func (r *readingAgain) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.once(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (r *readingAgain) once(ctx context.Context) error {
	one, err := r.settings.broker.openReader(ctx, r.topic, fromFirst, "")
	if err != nil {
		return err
	}
	defer one.close()
	for had := 0; had < r.settings.records && ctx.Err() == nil; {
		some, err := one.read(ctx, nil)
		if err != nil {
			return err
		}
		had += some.records
		r.records.Add(int64(some.records))
	}
	return nil
}

func (r *readingAgain) had() int { return int(r.records.Load()) }
