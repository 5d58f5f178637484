package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// After a stream of updates a compacted topic gets one more so often: brokers compact what lies behind the newest segment, and end
// segments when they are written to.
const tickEvery = 500 * time.Millisecond

// compaction is a stream of updates of few keys to a topic that is compacted meanwhile; then the time in which it settles; then all that
// is left, read.
func compaction(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.seconds == 0 {
		return usageError("--seconds sets the length of this story")
	}
	if _, ok := s.topicConfig["cleanup.policy"]; !ok {
		s.topicConfig["cleanup.policy"] = "compact"
	}
	if err := broker.create(ctx, s.topic); err != nil {
		return err
	}
	client, err := broker.open(streamOptions()...)
	if err != nil {
		return err
	}
	defer client.Close()
	updates := &updates{s: s, client: client}
	if err := updates.stream(ctx, s.warm()); err != nil {
		return err
	}
	before := updates.sent
	window := s.out.begin("update")
	err = updates.stream(ctx, s.window())
	window.end()
	if err != nil {
		return err
	}
	sent := updates.sent - before
	window.report(sent, sent*s.bytes, 0, nil, map[string]any{"keys": s.keys})

	before = updates.sent
	window = s.out.begin("settle")
	err = updates.tick(ctx, seconds(s.settle))
	window.end()
	if err != nil {
		return err
	}
	// The few records of this window say nothing about a rate.
	window.report(0, 0, 0, nil, map[string]any{"ticks": updates.sent - before})
	return readLeft(ctx, s, broker, updates.sent)
}

// updates of keys in turn.
type updates struct {
	s      *settings
	client *kgo.Client
	free   recordPool
	sent   int
	failed atomic.Pointer[error]
}

func (u *updates) put(ctx context.Context) {
	record := u.free.get()
	key := fmt.Appendf(nil, "key-%08d", u.sent%u.s.keys)
	partition := int32(u.sent % u.s.keys % u.s.partitions)
	*record = kgo.Record{Topic: u.s.topic, Partition: partition, Key: key, Value: u.s.payloads.at(u.sent)}
	u.client.Produce(ctx, record, u.confirmed)
	u.sent++
}

func (u *updates) confirmed(record *kgo.Record, err error) {
	u.free.put(record)
	if err != nil {
		u.failed.CompareAndSwap(nil, &err)
	}
}

// stream writes at the rate asked for, or as fast as is confirmed where that is less.
func (u *updates) stream(ctx context.Context, length time.Duration) error {
	start, first := now(), u.sent
	for now() < start+length && ctx.Err() == nil {
		for range 64 {
			u.put(ctx)
		}
		due := start + time.Duration(float64(u.sent-first)/float64(u.s.rate)*float64(time.Second))
		if early := due - now(); early > time.Millisecond {
			pause(ctx, early)
		}
	}
	return u.settled(ctx)
}

// tick writes now and then, until the time is over.
func (u *updates) tick(ctx context.Context, length time.Duration) error {
	for end := now() + length; now() < end && ctx.Err() == nil; {
		for range u.s.partitions {
			u.put(ctx)
		}
		if err := u.settled(ctx); err != nil {
			return err
		}
		pause(ctx, tickEvery)
	}
	return ctx.Err()
}

// settled returns when all is confirmed, and what went wrong if anything did.
func (u *updates) settled(ctx context.Context) error {
	if err := u.client.Flush(ctx); err != nil {
		return err
	}
	if err := u.failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// readLeft reads what compaction has left, as one that restores its state does. A key that is missing is a fault.
func readLeft(ctx context.Context, s *settings, broker *kafkaBroker, written int) error {
	from, err := broker.offsets(ctx, s.topic, fromFirst)
	if err != nil {
		return err
	}
	to, err := broker.offsets(ctx, s.topic, fromEnd)
	if err != nil {
		return err
	}
	reader, err := broker.open(
		kgo.ConsumePartitions(from),
		kgo.FetchMaxBytes(kafkaFetchBytesMax),
		kgo.FetchMaxPartitionBytes(kafkaFetchPartitionBytesMax),
	)
	if err != nil {
		return err
	}
	defer reader.Close()
	left := map[int32]int64{}
	for partition, end := range to[s.topic] {
		left[partition] = end.EpochOffset().Offset
	}
	keys := map[string]bool{}
	records := 0
	window := s.out.begin("read")
	for len(left) > 0 {
		waiting, stop := context.WithTimeout(ctx, stalledAfter)
		fetches := reader.PollFetches(waiting)
		err := waiting.Err()
		stop()
		if err != nil {
			return fmt.Errorf("no records came for %s: %w", stalledAfter, err)
		}
		for _, record := range fetches.Records() {
			records++
			keys[string(record.Key)] = true
			if record.Offset+1 >= left[record.Partition] {
				delete(left, record.Partition)
			}
		}
	}
	window.end()
	missing := max(0, min(s.keys, written)-len(keys))
	window.report(records, records*s.bytes, missing, nil, map[string]any{"left_per_key": float64(records) / float64(max(1, len(keys)))})
	return nil
}
