package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// So many topics are asked for in one request.
const topicsCreatedAtOnce = 1000

// topics sends to many topics that were just made, and to the same again. Three times, because a broker may put off to
// the second batch of a partition what it has to do once: Kafka allots the partition's index then.
func topics(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if err := warmUpBroker(ctx, s); err != nil {
		return err
	}
	names := namesOf(s.topic, s.topics)
	before := now()
	if err := broker.createMany(ctx, names); err != nil {
		return err
	}
	creating := now() - before
	many, err := broker.openMany(names, 5*time.Millisecond)
	if err != nil {
		return err
	}
	defer many.client.Close()
	if err := many.learn(ctx); err != nil {
		return err
	}
	for _, name := range []string{"cold", "second", "warm"} {
		window := s.out.begin(name)
		for i := range s.each {
			many.round(ctx, s.payloads, i*len(names), 1)
		}
		err := many.client.Flush(ctx)
		window.end()
		if err != nil {
			return err
		}
		records, errors := many.taken()
		window.report(records, records*s.bytes, errors, nil,
			map[string]any{"topics": len(names), "create_seconds": creating.Seconds()})
		if err := many.failed(records); err != nil {
			return err
		}
	}
	return nil
}

func namesOf(prefix string, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return names
}

func (s *settings) kafkaOnly() (*kafkaBroker, error) {
	if broker, ok := s.broker.(*kafkaBroker); ok {
		return broker, nil
	}
	return nil, usageError("this story is told in Kafka's words only")
}

// warmUpBroker streams to a topic that the story does not use.
func warmUpBroker(ctx context.Context, s *settings) error {
	if s.warmSeconds == 0 {
		return nil
	}
	topic := s.topic + "-warm-up"
	if err := s.broker.create(ctx, topic); err != nil {
		return err
	}
	producers, err := openProducers(ctx, s, topic, 1)
	if err != nil {
		return err
	}
	defer producers.close()
	return producers.send(ctx, s.payloads, 0, s.warm())
}

func (b *kafkaBroker) createMany(ctx context.Context, names []string) error {
	for len(names) > 0 {
		some := min(len(names), topicsCreatedAtOnce)
		if err := b.createAll(ctx, names[:some]); err != nil {
			return err
		}
		names = names[some:]
	}
	return nil
}

// manyTopics is one client that sends to many topics in turn, to the first partition of each.
type manyTopics struct {
	client  *kgo.Client
	names   []string
	promise func(*kgo.Record, error)
	free    recordPool
	records atomic.Int64
	errors  atomic.Int64
	err     atomic.Pointer[error]
}

func (b *kafkaBroker) openMany(names []string, linger time.Duration) (*manyTopics, error) {
	m := &manyTopics{names: names}
	m.promise = func(record *kgo.Record, err error) {
		m.free.put(record)
		if err != nil {
			m.errors.Add(1)
			m.err.CompareAndSwap(nil, &err)
			return
		}
		m.records.Add(1)
	}
	var err error
	m.client, err = b.open(
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(kafkaBatchBytesMax),
		kgo.BrokerMaxWriteBytes(4*kafkaBatchBytesMax),
		kgo.MaxBufferedRecords(200_000),
	)
	return m, err
}

// learn makes the client ask where all partitions are, which is its own work and no part of a rate. A record for a
// partition that does not exist makes it ask, and is never sent.
func (m *manyTopics) learn(ctx context.Context) error {
	const nowhere = 1 << 20
	for _, name := range m.names {
		m.client.Produce(ctx, &kgo.Record{Topic: name, Partition: nowhere}, nil)
	}
	return m.client.Flush(ctx)
}

// round puts so many records to each topic.
func (m *manyTopics) round(ctx context.Context, payloads *payloads, first, each int) {
	for at, name := range m.names {
		for i := range each {
			record := m.free.get()
			*record = kgo.Record{Topic: name, Value: payloads.at(first + at*each + i)}
			m.client.Produce(ctx, record, m.promise)
		}
	}
}

// taken counts what came back since it was last asked. Everything is flushed.
func (m *manyTopics) taken() (records, errors int) {
	return int(m.records.Swap(0)), int(m.errors.Swap(0))
}

func (m *manyTopics) failed(records int) error {
	if err := m.err.Load(); err != nil && records == 0 {
		return *err
	}
	return nil
}
