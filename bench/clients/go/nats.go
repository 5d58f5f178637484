package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	natsPendingMax   = 4096
	natsAckTimeout   = 30 * time.Second
	natsPullMessages = 16 << 10
	natsSetupTimeout = 10 * time.Second
)

// natsBroker speaks to JetStream: a topic is a stream of its own in files, with one subject of the same name.
type natsBroker struct {
	address string
	bytes   int
}

func (b *natsBroker) client() string { return "nats.go " + versionOf("github.com/nats-io/nats.go") }

func (b *natsBroker) open(options ...jetstream.JetStreamOpt) (*nats.Conn, jetstream.JetStream, error) {
	connection, err := nats.Connect(b.address, nats.Timeout(natsSetupTimeout), nats.MaxReconnects(0))
	if err != nil {
		return nil, nil, fmt.Errorf("no NATS at %s: %w", b.address, err)
	}
	js, err := jetstream.New(connection, options...)
	return connection, js, err
}

func (b *natsBroker) create(ctx context.Context, topic string) error {
	connection, js, err := b.open()
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: topic, Subjects: []string{topic}, Storage: jetstream.FileStorage, Replicas: 1,
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil
	}
	return err
}

func (b *natsBroker) held(ctx context.Context, topic string) (int, error) {
	connection, js, err := b.open()
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	found, err := js.Stream(ctx, topic)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(found.CachedInfo().State.Msgs), nil
}

// natsSender waits for the acknowledgement of each of its messages.
type natsSender struct {
	connection *nats.Conn
	js         jetstream.JetStream
	topic      string
}

func (b *natsBroker) openSender(_ context.Context, topic string) (sender, error) {
	connection, js, err := b.open()
	return &natsSender{connection, js, topic}, err
}

func (s *natsSender) send(ctx context.Context, value []byte) error {
	_, err := s.js.Publish(ctx, s.topic, value)
	return err
}

func (s *natsSender) share() sender { return s }
func (s *natsSender) close()        { s.connection.Close() }

// natsStream has a bounded number of messages unacknowledged.
type natsStream struct {
	connection *nats.Conn
	js         jetstream.JetStream
	topic      string
	confirmed  func([]byte, error)
	unanswered atomic.Int64
}

func (b *natsBroker) openStream(_ context.Context, topic string, confirmed func([]byte, error)) (stream, error) {
	s := &natsStream{topic: topic, confirmed: confirmed}
	answered := func(_ jetstream.JetStream, message *nats.Msg, err error) {
		s.confirmed(message.Data, err)
		s.unanswered.Add(-1)
	}
	var err error
	s.connection, s.js, err = b.open(
		jetstream.WithPublishAsyncMaxPending(natsPendingMax),
		jetstream.WithPublishAsyncTimeout(natsAckTimeout),
		jetstream.WithPublishAsyncErrHandler(answered),
		jetstream.WithPublishAsyncAckHandler(func(js jetstream.JetStream, message *nats.Msg, _ *jetstream.PubAck) {
			answered(js, message, nil)
		}),
	)
	return s, err
}

func (b *natsBroker) openPaced(ctx context.Context, topic string, confirmed func([]byte, error)) (stream, error) {
	return b.openStream(ctx, topic, confirmed)
}

func (s *natsStream) put(_ context.Context, value []byte) {
	s.unanswered.Add(1)
	if _, err := s.js.PublishAsync(s.topic, value, jetstream.WithStallWait(natsAckTimeout)); err != nil {
		s.confirmed(value, err)
		s.unanswered.Add(-1)
	}
}

func (s *natsStream) flush(ctx context.Context) error {
	for s.unanswered.Load() > 0 {
		select {
		case <-s.js.PublishAsyncComplete():
			// The last answers may still be on their way through their handler.
			pause(ctx, 100*time.Microsecond)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

func (s *natsStream) close() { s.connection.Close() }

// natsReader is a pull consumer that acknowledges nothing: the stream is read in order and once.
type natsReader struct {
	connection *nats.Conn
	consumer   jetstream.Consumer
	consuming  jetstream.ConsumeContext
	bytes      int
	// The sequence that follows the last message; 0 is before the first.
	next    uint64
	mutex   sync.Mutex
	waiting []jetstream.Msg
	some    chan struct{}
	spare   []jetstream.Msg
}

func (b *natsBroker) openReader(ctx context.Context, topic string, from start, group string) (reader, error) {
	connection, js, err := b.open()
	if err != nil {
		return nil, err
	}
	policy := jetstream.DeliverAllPolicy
	if from == fromEnd {
		policy = jetstream.DeliverNewPolicy
	}
	consumer, err := js.CreateConsumer(ctx, topic, jetstream.ConsumerConfig{
		Durable: group, AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: policy,
	})
	if err != nil {
		connection.Close()
		return nil, err
	}
	return &natsReader{connection: connection, consumer: consumer, bytes: b.bytes, some: make(chan struct{}, 1)}, nil
}

func (r *natsReader) ready(context.Context) error { return nil }

// arrived is called by the client for each message.
func (r *natsReader) arrived(message jetstream.Msg) {
	r.mutex.Lock()
	r.waiting = append(r.waiting, message)
	first := len(r.waiting) == 1
	r.mutex.Unlock()
	if first {
		r.some <- struct{}{}
	}
}

func (r *natsReader) read(ctx context.Context, see func([]byte)) (readings, error) {
	if r.consuming == nil {
		var err error
		r.consuming, err = r.consumer.Consume(r.arrived, jetstream.PullMaxMessages(natsPullMessages))
		if err != nil {
			return readings{}, err
		}
	}
	select {
	case <-r.some:
	case <-ctx.Done():
		return readings{}, ctx.Err()
	}
	r.mutex.Lock()
	messages := r.waiting
	r.waiting = r.spare[:0]
	r.mutex.Unlock()
	got := readings{records: len(messages)}
	first, err := messages[0].Metadata()
	if err != nil {
		return got, err
	}
	last, err := messages[len(messages)-1].Metadata()
	if err != nil {
		return got, err
	}
	if r.next != 0 && first.Sequence.Stream != r.next || len(messages[0].Data()) != r.bytes ||
		last.Sequence.Stream-first.Sequence.Stream != uint64(len(messages)-1) {
		got.faults++
	}
	r.next = last.Sequence.Stream + 1
	if see != nil {
		for _, message := range messages {
			see(message.Data())
		}
	}
	clear(messages)
	r.spare = messages
	return got, nil
}

func (r *natsReader) close() {
	if r.consuming != nil {
		r.consuming.Stop()
	}
	r.connection.Close()
}
