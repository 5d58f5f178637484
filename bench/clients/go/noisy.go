package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// noisy measures how long the confirms of many small clients take, alone and beside one that sends all it can.
func noisy(ctx context.Context, s *settings) error {
	return beside(ctx, s, func(ctx context.Context, topic string) (neighbour, error) {
		full, err := openProducers(ctx, s, topic, 1)
		return &fullRate{full, s.payloads}, err
	})
}

// paced measures how long the confirms of clients take that each send at a fixed rate.
func paced(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.seconds == 0 {
		return usageError("--seconds sets the length of this story")
	}
	if err := broker.createAll(ctx, []string{s.topic}); err != nil {
		return err
	}
	small, err := openSmall(ctx, s, broker)
	if err != nil {
		return err
	}
	defer small.close()
	return small.measure(ctx, "paced", nil)
}

// bigBeside measures the same, of few, beside one that sends large records, one after another.
func bigBeside(ctx context.Context, s *settings) error {
	return beside(ctx, s, func(_ context.Context, topic string) (neighbour, error) {
		return openBig(s, topic)
	})
}

// A neighbour works on a topic of its own until it is told to stop.
type neighbour interface {
	run(ctx context.Context) error
	stop()
	// sent counts the records and bytes that were confirmed until now.
	sent() (records, bytes int)
	close()
}

func beside(ctx context.Context, s *settings, open func(context.Context, string) (neighbour, error)) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.seconds == 0 {
		return usageError("--seconds sets the length of each part of this story")
	}
	other := s.topic + "-other"
	if err := broker.createAll(ctx, []string{s.topic, other}); err != nil {
		return err
	}
	small, err := openSmall(ctx, s, broker)
	if err != nil {
		return err
	}
	defer small.close()
	if err := small.measure(ctx, "alone", nil); err != nil {
		return err
	}
	next, err := open(ctx, other)
	if err != nil {
		return err
	}
	defer next.close()
	done := make(chan error, 1)
	go func() { done <- next.run(ctx) }()
	err = small.measure(ctx, "beside", next)
	next.stop()
	return errors.Join(err, <-done)
}

// smallClients each send a small record now and then; together they keep a pace.
type smallClients struct {
	settings *settings
	clients  []*kgo.Client
	payloads *payloads
	alarm    *alarm
}

func openSmall(ctx context.Context, s *settings, broker *kafkaBroker) (*smallClients, error) {
	small := &smallClients{settings: s}
	var err error
	if small.payloads, err = newPayloads(s.payloadFile, s.generate, s.smallBytes); err != nil {
		return nil, err
	}
	if small.alarm, err = newAlarm(); err != nil {
		return nil, err
	}
	for range s.smallClients {
		client, err := broker.open(kgo.ProducerLinger(0))
		if err != nil {
			small.close()
			return nil, err
		}
		small.clients = append(small.clients, client)
	}
	// Every client has its connection and knows its partition before it is timed.
	for i, client := range small.clients {
		partition := int32(i % s.partitions)
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: s.topic, Partition: partition, Value: small.payloads.at(i)}).FirstErr(); err != nil {
			small.close()
			return nil, err
		}
	}
	return small, nil
}

// measure sends for a window, after a warm-up of the same.
func (small *smallClients) measure(ctx context.Context, name string, next neighbour) error {
	s := small.settings
	rate := len(small.clients) * s.smallRate
	if _, _, err := small.send(ctx, rate, s.warm()); err != nil {
		return err
	}
	var recordsBefore, bytesBefore int
	if next != nil {
		recordsBefore, bytesBefore = next.sent()
	}
	window := s.out.begin(name)
	found, failed, err := small.send(ctx, rate, s.window())
	window.end()
	if err != nil {
		return err
	}
	extra := map[string]any{"small_clients": len(small.clients), "rate_asked": rate}
	if next != nil {
		records, bytes := next.sent()
		extra["other_rate"] = float64(records-recordsBefore) / window.took.Seconds()
		extra["other_mb_s"] = float64(bytes-bytesBefore) / window.took.Seconds() / 1e6
	}
	records := int(found.found.TotalCount())
	window.report(records, records*s.smallBytes, failed, found, extra)
	return nil
}

// send lets the clients take turns, and returns when all is confirmed.
func (small *smallClients) send(ctx context.Context, rate int, length time.Duration) (*latencies, int, error) {
	found, failed := newLatencies(), atomic.Int64{}
	p := pace{now(), rate}
	for i := 0; p.after(i) < length; i++ {
		due := p.due(i)
		small.alarm.until(ctx, due)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		at := i % len(small.clients)
		record := &kgo.Record{Topic: small.settings.topic, Partition: int32(at % small.settings.partitions), Value: small.payloads.at(i)}
		small.clients[at].Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Add(1)
				return
			}
			found.add(now() - due)
		})
	}
	for _, client := range small.clients {
		if err := client.Flush(ctx); err != nil {
			return nil, 0, err
		}
	}
	return found, int(failed.Load()), nil
}

func (small *smallClients) close() {
	for _, client := range small.clients {
		client.Close()
	}
	small.alarm.close()
}

// fullRate is a neighbour that streams.
type fullRate struct {
	producers *producers
	payloads  *payloads
}

func (f *fullRate) run(ctx context.Context) error {
	return f.producers.send(ctx, f.payloads, 0, forever)
}

func (f *fullRate) stop() { f.producers.stopping.Store(true) }

func (f *fullRate) sent() (records, bytes int) {
	records, _ = f.producers.count()
	return records, records * len(f.payloads.at(0))
}

func (f *fullRate) close() { f.producers.close() }

// bigRecords is a neighbour that waits for the confirm of one large record before it sends the next.
type bigRecords struct {
	client   *kgo.Client
	topic    string
	every    time.Duration
	value    []byte
	alarm    *alarm
	stopping atomic.Bool
	records  atomic.Int64
}

func openBig(s *settings, topic string) (*bigRecords, error) {
	broker, err := s.kafkaOnly()
	if err != nil {
		return nil, err
	}
	payloads, err := newPayloads(s.payloadFile, s.generate, s.bytes)
	if err != nil {
		return nil, err
	}
	alarm, err := newAlarm()
	if err != nil {
		return nil, err
	}
	client, err := broker.open(kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(int32(s.bytes)+4096), kgo.BrokerMaxWriteBytes(int32(s.bytes)+8192))
	return &bigRecords{client: client, topic: topic, every: seconds(s.every), value: payloads.at(0), alarm: alarm}, err
}

func (b *bigRecords) run(ctx context.Context) error {
	for due := now(); ctx.Err() == nil && !b.stopping.Load(); due += b.every {
		b.alarm.until(ctx, due)
		if err := b.client.ProduceSync(ctx, &kgo.Record{Topic: b.topic, Value: b.value}).FirstErr(); err != nil {
			return err
		}
		b.records.Add(1)
	}
	return ctx.Err()
}

func (b *bigRecords) stop() { b.stopping.Store(true) }

func (b *bigRecords) sent() (records, bytes int) {
	records = int(b.records.Load())
	return records, records * len(b.value)
}

func (b *bigRecords) close() {
	b.client.Close()
	b.alarm.close()
}
