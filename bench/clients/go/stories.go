package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (s *setup) client(options ...kgo.Opt) (*kgo.Client, error) {
	own := []kgo.Opt{
		kgo.SeedBrokers(s.broker),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
	return kgo.NewClient(append(own, options...)...)
}

func (s *setup) value() []byte {
	value := make([]byte, s.bytes)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	return value
}

// fresh names what no earlier run has made.
func fresh(name string) string {
	return fmt.Sprintf("%s-%x", name, time.Now().UnixNano())
}

func (s *setup) create(ctx context.Context, names ...string) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	admin.SetTimeoutMillis(60_000)
	made, err := admin.CreateTopics(ctx, 1, 1, nil, names...)
	if err != nil {
		return err
	}
	return made.Error()
}

func coldTopics(ctx context.Context, s *setup) error {
	prefix := fresh("cold")
	names := make([]string, s.topics)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	value := s.value()
	// One topic first: what the client and the machine can do at all.
	one := fresh("one")
	if err := s.create(ctx, one); err != nil {
		return err
	}
	if err := s.pass(ctx, "one topic", []string{one}, s.topics*s.each, value, 0); err != nil {
		return err
	}
	before, start := s.usage(), time.Now()
	if err := s.create(ctx, names...); err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Printf("create        %d topics in %.2f s, %s\n", s.topics, took.Seconds(), s.usage().since(before))
	if err := s.pass(ctx, "cold, created", names, s.each, value, took); err != nil {
		return err
	}
	return s.pass(ctx, "warm", names, s.each, value, 0)
}

// pass sends each topic its records in turn and waits for the confirm of all. Time already spent on making the
// topics counts.
func (s *setup) pass(ctx context.Context, what string, names []string, each int, value []byte, spent time.Duration) error {
	client, err := s.client(kgo.MaxBufferedRecords(200_000), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	// Learning where the partitions are is the client's work and no part of the rate. A record for a partition that
	// does not exist makes the client learn, and is never sent.
	for _, name := range names {
		client.Produce(ctx, &kgo.Record{Topic: name, Partition: 1}, nil)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	before, start := s.usage(), time.Now()
	var failed atomic.Pointer[error]
	for range each {
		for _, name := range names {
			client.Produce(ctx, &kgo.Record{Topic: name, Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			})
		}
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	took := time.Since(start)
	records := float64(each * len(names))
	fmt.Printf("%-13s %.0f records in %.2f s: %.0f/s", what, records, took.Seconds(), records/took.Seconds())
	if spent > 0 {
		fmt.Printf(" (%.0f/s with their creation)", records/(took+spent).Seconds())
	}
	fmt.Printf(", %s\n", s.usage().since(before))
	return nil
}

// steady sends one record a millisecond and returns how long after its due time each was confirmed.
func (s *setup) steady(ctx context.Context, topic string, length time.Duration) (latencies, error) {
	client, err := s.client(kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	const every = time.Millisecond
	var mutex sync.Mutex
	var found latencies
	var failed error
	value := make([]byte, 124)
	start := time.Now()
	for due := start; due.Sub(start) < length; due = due.Add(every) {
		time.Sleep(time.Until(due))
		client.Produce(ctx, &kgo.Record{Topic: topic, Value: value}, func(_ *kgo.Record, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				failed = err
			}
			found = append(found, time.Since(due))
		})
	}
	if err := client.Flush(ctx); err != nil {
		return nil, err
	}
	return found, failed
}

func bigBeside(ctx context.Context, s *setup) error {
	small, large := fresh("small"), fresh("large")
	if err := s.create(ctx, small, large); err != nil {
		return err
	}
	if _, err := s.steady(ctx, small, time.Second); err != nil {
		return err
	}
	alone, err := s.steady(ctx, small, s.length)
	if err != nil {
		return err
	}
	fmt.Println("alone        ", alone)
	ending, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	var sent atomic.Int64
	value := s.value()
	go func() { done <- s.sendLarge(ending, large, value, &sent) }()
	before := s.usage()
	beside, err := s.steady(ctx, small, s.length)
	if err != nil {
		return err
	}
	stop()
	fmt.Printf("beside        %v\n", beside)
	fmt.Printf("the other     %d records of %d MiB, %s\n", sent.Load(), s.bytes>>20, s.usage().since(before))
	return <-done
}

// sendLarge sends records of the configured size at the configured pace until told to stop.
func (s *setup) sendLarge(ctx context.Context, topic string, value []byte, sent *atomic.Int64) error {
	client, err := s.client(kgo.ProducerBatchMaxBytes(int32(s.bytes)+4096), kgo.BrokerMaxWriteBytes(int32(s.bytes)+8192))
	if err != nil {
		return err
	}
	defer client.Close()
	for next := time.Now(); ctx.Err() == nil; next = next.Add(s.every) {
		time.Sleep(time.Until(next))
		err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: value}).FirstErr()
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			sent.Add(1)
		}
	}
	return nil
}

func slowConsumer(ctx context.Context, s *setup) error {
	old := fresh("old")
	if err := s.create(ctx, old); err != nil {
		return err
	}
	// Choose -each so that this is more than the broker keeps in memory.
	if err := s.pass(ctx, "backlog", []string{old}, s.topics*s.each, s.value(), 0); err != nil {
		return err
	}
	alone, err := s.tail(ctx)
	if err != nil {
		return err
	}
	fmt.Println("tail alone   ", alone)
	ending, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	var read atomic.Int64
	go func() { done <- s.catchUp(ending, old, &read) }()
	before := s.usage()
	beside, err := s.tail(ctx)
	if err != nil {
		return err
	}
	stop()
	fmt.Println("tail beside  ", beside)
	fmt.Printf("the other     read %d records, %s\n", read.Load(), s.usage().since(before))
	return <-done
}

// tail sends one record a millisecond with its due time in it, and returns how long after it each was read.
func (s *setup) tail(ctx context.Context) (latencies, error) {
	topic := fresh("tail")
	if err := s.create(ctx, topic); err != nil {
		return nil, err
	}
	offsets := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	client, err := s.client(kgo.ProducerLinger(0), kgo.ConsumePartitions(offsets))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	const every = time.Millisecond
	count := int(s.length / every)
	var found latencies
	var failed error
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for len(found) < count {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				failed = err
				return
			}
			now := time.Now()
			fetches.EachRecord(func(record *kgo.Record) {
				if len(record.Value) < 8 {
					close(ready)
					return
				}
				found = append(found, now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(record.Value)))))
			})
		}
	}()
	// Both ends have found their partition when the first record is through.
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("first")}).FirstErr(); err != nil {
		return nil, err
	}
	select {
	case <-ready:
	case <-done:
		return nil, failed
	}
	start := time.Now()
	for i := range count {
		due := start.Add(time.Duration(i) * every)
		time.Sleep(time.Until(due))
		value := make([]byte, 124)
		binary.BigEndian.PutUint64(value, uint64(due.UnixNano()))
		client.Produce(ctx, &kgo.Record{Topic: topic, Value: value}, nil)
	}
	<-done
	return found, failed
}

// catchUp reads a topic from its start, again and again.
func (s *setup) catchUp(ctx context.Context, topic string, read *atomic.Int64) error {
	for ctx.Err() == nil {
		offsets := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
		client, err := s.client(kgo.ConsumePartitions(offsets))
		if err != nil {
			return err
		}
		total := int64(s.topics * s.each)
		for from := read.Load(); read.Load()-from < total && ctx.Err() == nil; {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil && ctx.Err() == nil {
				client.Close()
				return err
			}
			read.Add(int64(fetches.NumRecords()))
		}
		client.Close()
	}
	return nil
}

func backlog(ctx context.Context, s *setup) error {
	topic := fresh("backlog")
	if err := s.create(ctx, topic); err != nil {
		return err
	}
	for range 10 {
		if err := s.pass(ctx, "a tenth", []string{topic}, s.topics*s.each/10, s.value(), 0); err != nil {
			return err
		}
	}
	return nil
}
