package main

import (
	"context"
	"fmt"
	"time"
)

// interleaved writes to many topics in turn and reads some of them back, one after another.
func interleaved(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.recordsEach%s.batch != 0 {
		return usageError("--records-each is a multiple of --batch")
	}
	if s.readings > s.topics {
		return usageError("--readings is at most --topics")
	}
	names := namesOf(s.topic, s.topics)
	held, err := s.broker.held(ctx, names[0])
	if err != nil {
		return err
	}
	switch held {
	case s.recordsEach:
		s.out.say("%s holds its %d records already: it is only read", names[0], held)
	case 0:
		if err := warmUpBroker(ctx, s); err != nil {
			return err
		}
		if err := writeInterleaved(ctx, s, broker, names); err != nil {
			return err
		}
	default:
		return fmt.Errorf("topic %s holds %d records, not %d: name another", names[0], held, s.recordsEach)
	}
	return readInterleaved(ctx, s, names)
}

// writeInterleaved gives every topic one batch in each round.
func writeInterleaved(ctx context.Context, s *settings, broker *kafkaBroker, names []string) error {
	if err := broker.createMany(ctx, names); err != nil {
		return err
	}
	// Longer than a round takes to put: a batch leaves when it is flushed, and full.
	many, err := broker.openMany(names, 10*time.Second)
	if err != nil {
		return err
	}
	defer many.client.Close()
	if err := many.learn(ctx); err != nil {
		return err
	}
	window := s.out.begin("write")
	for i := range s.recordsEach / s.batch {
		many.round(ctx, s.payloads, i*len(names)*s.batch, s.batch)
		if err := many.client.Flush(ctx); err != nil {
			return err
		}
	}
	window.end()
	records, errors := many.taken()
	window.report(records, records*s.bytes, errors, nil, map[string]any{"topics": len(names), "batch": s.batch})
	return many.failed(records)
}

// readInterleaved reads whole topics that lie apart in the order they were written, one at a time.
func readInterleaved(ctx context.Context, s *settings, names []string) error {
	var all []*reading
	defer func() {
		for _, one := range all {
			one.close()
		}
	}()
	for i := range s.readings {
		one, err := openReading(ctx, s, names[i*len(names)/s.readings], 0)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	window := s.out.begin("consume")
	total := readingResult{complete: true}
	for _, one := range all {
		result, err := one.readAll(ctx, s.recordsEach, 0)
		if err != nil {
			return err
		}
		total.records += result.records
		total.faults += result.faults
		total.complete = total.complete && result.complete
	}
	window.end()
	window.report(total.records, total.records*s.bytes, total.faults, nil,
		map[string]any{"topic": names[0], "topics": len(names), "batch": s.batch, "readings": s.readings, "complete": total.complete})
	return nil
}
