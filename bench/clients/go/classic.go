package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// phase is what senders do with what they see.
type phase = int32

const (
	warming phase = iota
	measuring
	over
)

// classic lets each sender wait for the confirm of its record before it sends the next.
func classic(ctx context.Context, s *settings) error {
	if s.seconds == 0 {
		return usageError("--seconds sets the length of this story")
	}
	if err := s.broker.create(ctx, s.topic); err != nil {
		return err
	}
	senders, err := openSenders(ctx, s)
	if err != nil {
		return err
	}
	defer func() {
		for _, one := range senders {
			one.sender.close()
		}
	}()
	return closedLoop(ctx, s, "classic", senders, s.bytes)
}

// closedLoop lets the senders work, and measures what they do after the warm-up. What each sends has so many bytes.
func closedLoop(ctx context.Context, s *settings, name string, senders []*sending, bytes int) error {
	var current atomic.Int32 // A phase.
	var running sync.WaitGroup
	for i, one := range senders {
		running.Go(func() { one.run(ctx, s.payloads, i*1009, &current) })
	}
	pause(ctx, s.warm())
	if ctx.Err() != nil {
		running.Wait()
		return ctx.Err()
	}
	window := s.out.begin(name)
	current.Store(measuring)
	pause(ctx, s.window())
	current.Store(over)
	window.end()
	running.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	records, errors, found := 0, 0, newLatencies()
	for _, one := range senders {
		records += int(one.found.found.TotalCount())
		errors += one.errors
		found.merge(one.found)
	}
	window.report(records, records*bytes, errors, found, map[string]any{"senders": len(senders)})
	return firstError(senders, records)
}

// sending is one sender and what it has seen.
type sending struct {
	sender sender
	found  *latencies
	errors int
	err    error
}

func openSenders(ctx context.Context, s *settings) ([]*sending, error) {
	var senders []*sending
	for range s.connections {
		var one sender
		var err error
		if s.oneConnection && len(senders) > 0 {
			one = senders[0].sender.share()
		} else if one, err = s.broker.openSender(ctx, s.topic); err != nil {
			return nil, err
		}
		senders = append(senders, &sending{sender: one, found: newLatencies()})
	}
	return senders, nil
}

func (one *sending) run(ctx context.Context, payloads *payloads, first int, phase *atomic.Int32) {
	for i := first; ctx.Err() == nil; i++ {
		before := phase.Load()
		if before == over {
			return
		}
		start := now()
		err := one.sender.send(ctx, payloads.at(i))
		took := now() - start
		// What began before the window or ends after it is not of the window.
		if before != measuring || phase.Load() != measuring {
			if err != nil && ctx.Err() == nil {
				one.err = err
			}
			continue
		}
		if err != nil {
			one.errors++
			one.err = err
			continue
		}
		one.found.add(took)
	}
}

// firstError is an error only where nothing went well.
func firstError(senders []*sending, records int) error {
	for _, one := range senders {
		if one.err != nil && records == 0 {
			return one.err
		}
	}
	return nil
}

// pause waits, but not past an interrupt.
func pause(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}
