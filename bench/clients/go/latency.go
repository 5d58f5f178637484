package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// The first bytes of a value say in hexadecimal digits when it was due.
	stampBytes = 16
	// What has not come so long after the last record was sent is lost.
	lateAfter = 30 * time.Second
	// Values that wait to be used again.
	stampedFree = 16 << 10
)

// latency measures from when a record was due until a reader has it.
func latency(ctx context.Context, s *settings) error { return endToEnd(ctx, s, "latency", 0) }

// tail is the same with groups, each of which reads everything.
func tail(ctx context.Context, s *settings) error { return endToEnd(ctx, s, "tail", s.groups) }

func endToEnd(ctx context.Context, s *settings, name string, groups int) error {
	if s.bytes < stampBytes {
		return usageError(fmt.Sprintf("--bytes is at least %d: a record carries when it was due", stampBytes))
	}
	if s.seconds == 0 {
		return usageError("--seconds sets the length of this story")
	}
	t, err := openPacedTail(ctx, s, s.topic, groups)
	if err != nil {
		return err
	}
	defer t.close()
	return t.window(ctx, name, nil)
}

// openPacedTail makes the topic and returns when every reader gets what is sent to it.
func openPacedTail(ctx context.Context, s *settings, topic string, groups int) (*tails, error) {
	if s.bytes < stampBytes {
		return nil, usageError(fmt.Sprintf("--bytes is at least %d: a record carries when it was due", stampBytes))
	}
	if err := s.broker.create(ctx, topic); err != nil {
		return nil, err
	}
	t, err := openTails(ctx, s, topic, groups)
	if err != nil {
		return nil, err
	}
	if err := t.handshake(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// window measures one stretch, after a warm-up of the same. With other, it counts what somebody else does meanwhile.
func (t *tails) window(ctx context.Context, name string, other func() int) error {
	s := t.settings
	if err := t.send(ctx, pace{now(), s.rate}, int(s.warmSeconds*float64(s.rate)), nil); err != nil {
		return err
	}
	extra := map[string]any{"rate_asked": s.rate, "readers": len(t.readers)}
	before := 0
	if other != nil {
		before = other()
	}
	window := s.out.begin(name)
	result, err := t.measure(ctx, int(s.seconds*float64(s.rate)))
	window.end()
	if err != nil {
		return err
	}
	if other != nil {
		extra["other_rate"] = float64(other()-before) / window.took.Seconds()
	}
	result.tell(extra)
	window.report(result.received, result.received*s.bytes, result.errors, result.found, extra)
	return nil
}

// tails are a paced producer and the readers of what it sends.
type tails struct {
	settings *settings
	readers  []*tailing
	stream   stream
	alarm    *alarm
	free     chan []byte
	refused  atomic.Int64
	stop     context.CancelFunc
	running  sync.WaitGroup
	failed   chan error
}

// tailing is one reader and what it sees.
type tailing struct {
	reader reader
	// Set when anything at all has come.
	seen atomic.Bool
	// What is counted now; nil is nothing.
	current atomic.Pointer[arrivals]
}

// arrivals are the records of one window as one reader sees them. Those of warm-ups were due outside of it.
type arrivals struct {
	since, until time.Duration
	found        *latencies
	// Where the seconds are told apart; nil is nowhere.
	seconds *perSecond
	count   atomic.Int64
	faults  atomic.Int64
}

func (a *arrivals) see(value []byte, arrived time.Duration) {
	due, err := unstamp(value)
	if err != nil {
		a.faults.Add(1)
		return
	}
	if due < a.since || due >= a.until {
		return
	}
	a.found.add(arrived - due)
	if a.seconds != nil {
		a.seconds.add(arrived, arrived-due)
	}
	a.count.Add(1)
}

func openTails(ctx context.Context, s *settings, topic string, groups int) (*tails, error) {
	ctx, stop := context.WithCancel(ctx)
	t := &tails{settings: s, free: make(chan []byte, stampedFree), stop: stop, failed: make(chan error, 1)}
	var err error
	if t.alarm, err = newAlarm(); err != nil {
		return nil, err
	}
	prefix := fresh(topic)
	for i := range max(1, groups) {
		group := ""
		if groups > 0 {
			group = fmt.Sprintf("%s-%d", prefix, i)
		}
		one, err := s.broker.openReader(ctx, topic, fromEnd, group)
		if err != nil {
			t.close()
			return nil, err
		}
		t.readers = append(t.readers, &tailing{reader: one})
	}
	if t.stream, err = s.broker.openPaced(ctx, topic, t.confirmed); err != nil {
		t.close()
		return nil, err
	}
	for _, one := range t.readers {
		if err := one.reader.ready(ctx); err != nil {
			t.close()
			return nil, err
		}
		t.running.Go(func() { t.fail(one.run(ctx)) })
	}
	return t, nil
}

func (t *tails) fail(err error) {
	if err != nil {
		select {
		case t.failed <- err:
		default:
		}
	}
}

func (t *tails) confirmed(value []byte, err error) {
	if err != nil {
		t.refused.Add(1)
	}
	select {
	case t.free <- value:
	default:
	}
}

func (one *tailing) run(ctx context.Context) error {
	for ctx.Err() == nil {
		var current *arrivals
		var arrived time.Duration
		some, err := one.reader.read(ctx, func(value []byte) {
			if arrived == 0 {
				arrived, current = now(), one.current.Load()
			}
			if current != nil {
				current.see(value, arrived)
			}
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		if some.records > 0 {
			one.seen.Store(true)
		}
		if current != nil {
			current.faults.Add(int64(some.faults))
		}
	}
	return nil
}

// stamp puts into a value when it was due, so that it stays text.
func stamp(value []byte, due time.Duration) {
	const digits = "0123456789abcdef"
	for i := range stampBytes {
		value[i] = digits[due>>(4*(stampBytes-1-i))&15]
	}
}

func unstamp(value []byte) (time.Duration, error) {
	if len(value) < stampBytes {
		return 0, errors.New("too short for a stamp")
	}
	due, err := strconv.ParseInt(string(value[:stampBytes]), 16, 64)
	return time.Duration(due), err
}

// put sends one record with its due time.
func (t *tails) put(ctx context.Context, i int, due time.Duration) {
	var value []byte
	select {
	case value = <-t.free:
	default:
		value = make([]byte, t.settings.bytes)
	}
	copy(value, t.settings.payloads.at(i))
	stamp(value, due)
	t.stream.put(ctx, value)
}

// handshake returns when every reader has had a record: from then on none of them misses one.
func (t *tails) handshake(ctx context.Context) error {
	for range int(time.Minute / (50 * time.Millisecond)) {
		t.put(ctx, 0, 0)
		pause(ctx, 50*time.Millisecond)
		waiting := 0
		for _, one := range t.readers {
			if !one.seen.Load() {
				waiting++
			}
		}
		if err := t.trouble(ctx); err != nil || waiting == 0 {
			return err
		}
	}
	return errors.New("a reader got nothing within a minute")
}

func (t *tails) trouble(ctx context.Context) error {
	select {
	case err := <-t.failed:
		return err
	default:
		return ctx.Err()
	}
}

// send puts so many records, each when it is due.
func (t *tails) send(ctx context.Context, p pace, records int, late *latencies) error {
	for i := range records {
		due := p.due(i)
		t.alarm.until(ctx, due)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if late != nil {
			late.add(now() - due)
		}
		t.put(ctx, i, due)
	}
	return nil
}

// tailsResult is what one window of paced records came to.
type tailsResult struct {
	sent, received, errors int
	found                  *latencies
	// How late the producer itself was, and the seconds of the window as the first reader saw them.
	late    *latencies
	seconds *perSecond
}

// measure sends so many records and waits until every reader has had them all.
func (t *tails) measure(ctx context.Context, records int) (tailsResult, error) {
	p := pace{now(), t.settings.rate}
	result := tailsResult{sent: records, found: newLatencies(), late: newLatencies(), seconds: newPerSecond(p.start)}
	t.refused.Store(0)
	var all []*arrivals
	for _, one := range t.readers {
		a := &arrivals{since: p.start, until: p.end(records), found: newLatencies()}
		if len(all) == 0 {
			a.seconds = result.seconds
		}
		all = append(all, a)
		one.current.Store(a)
	}
	if err := t.send(ctx, p, records, result.late); err != nil {
		return result, err
	}
	for deadline := now() + lateAfter; now() < deadline; pause(ctx, time.Millisecond) {
		if err := t.trouble(ctx); err != nil {
			return result, err
		}
		if !slices.ContainsFunc(all, func(a *arrivals) bool { return a.count.Load() < int64(records) }) {
			break
		}
	}
	for _, a := range all {
		had := int(a.count.Load())
		result.received += had
		result.errors += max(had-records, records-had) + int(a.faults.Load())
		result.found.merge(a.found)
	}
	result.errors += int(t.refused.Load())
	return result, nil
}

// tell adds what the histogram of the whole window does not say.
func (r tailsResult) tell(extra map[string]any) {
	extra["sent"] = r.sent
	extra["sender_late_p99_us"] = r.late.line().P99
	r.seconds.tell(extra)
}

func (t *tails) close() {
	t.stop()
	t.running.Wait()
	if t.stream != nil {
		t.stream.close()
	}
	for _, one := range t.readers {
		one.reader.close()
	}
	t.alarm.close()
}
