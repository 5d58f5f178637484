package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	kafkaBatchBytesMax = 1 << 20
	// What a stream may have unconfirmed: enough for five batches on their way and as many that fill, also where there
	// are several partitions.
	kafkaBufferedBytesMax = 32 << 20
	// More of one partition at a time made no client faster, and these buffers are what it has to walk through.
	kafkaFetchBytesMax          = 50 << 20
	kafkaFetchPartitionBytesMax = 16 << 20
	// A record that is not confirmed by then is an error.
	kafkaDeliveryTimeout = 30 * time.Second
	kafkaSetupTimeout    = 60 * time.Second
	kafkaRetryPause      = 20 * time.Millisecond
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func kafkaCodec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

// kafkaBroker speaks to anything that speaks Kafka's protocol.
type kafkaBroker struct {
	address  string
	settings *settings
	senders  int
}

func (b *kafkaBroker) client() string { return "franz-go " + versionOf("github.com/twmb/franz-go") }

func (b *kafkaBroker) open(options ...kgo.Opt) (*kgo.Client, error) {
	own := []kgo.Opt{
		kgo.SeedBrokers(b.address),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(kafkaDeliveryTimeout),
	}
	return kgo.NewClient(append(own, options...)...)
}

// admin does one thing about topics with a client of its own.
func (b *kafkaBroker) admin(ctx context.Context, do func(context.Context, *kadm.Client) error) error {
	client, err := b.open()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := context.WithTimeout(ctx, kafkaSetupTimeout)
	defer stop()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("no Kafka at %s: %w", b.address, err)
	}
	admin := kadm.NewClient(client)
	admin.SetTimeoutMillis(int32(kafkaSetupTimeout.Milliseconds()))
	return do(ctx, admin)
}

func (b *kafkaBroker) create(ctx context.Context, topic string) error {
	return b.createAll(ctx, []string{topic})
}

func (b *kafkaBroker) createAll(ctx context.Context, topics []string) error {
	config := map[string]*string{}
	for key, value := range b.settings.topicConfig {
		config[key] = &value
	}
	return b.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		made, err := admin.CreateTopics(ctx, int32(b.settings.partitions), 1, config, topics...)
		if err != nil {
			return err
		}
		for _, topic := range made.Sorted() {
			if topic.Err != nil && !errors.Is(topic.Err, kerr.TopicAlreadyExists) {
				return fmt.Errorf("create topic %s: %w (%s)", topic.Topic, topic.Err, topic.ErrMessage)
			}
		}
		return awaitLeaders(ctx, admin, topics)
	})
}

// awaitLeaders returns when every partition answers. Kafka says that a topic is made before its broker leads it, and a
// client that meets such a partition waits seconds before it tries again: that wait is the client's, and not measured.
func awaitLeaders(ctx context.Context, admin *kadm.Client, topics []string) error {
	for {
		listed, err := admin.ListEndOffsets(ctx, topics...)
		if err == nil {
			err = listed.Error()
		}
		if err == nil {
			return nil
		}
		if pause(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("new topics have no leaders: %w", err)
		}
	}
}

func (b *kafkaBroker) held(ctx context.Context, topic string) (int, error) {
	held := 0
	return held, b.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		topics, err := admin.ListTopics(ctx, topic)
		if err != nil || !topics.Has(topic) {
			return err
		}
		first, err := admin.ListStartOffsets(ctx, topic)
		if err != nil {
			return err
		}
		end, err := admin.ListEndOffsets(ctx, topic)
		if err != nil {
			return err
		}
		if err := errors.Join(first.Error(), end.Error()); err != nil {
			return err
		}
		end.Each(func(at kadm.ListedOffset) {
			from, _ := first.Lookup(topic, at.Partition)
			held += int(at.Offset - from.Offset)
		})
		return nil
	})
}

// kafkaSender waits for each of its records.
type kafkaSender struct {
	client    *kgo.Client
	topic     string
	partition int32
	record    kgo.Record
}

func (b *kafkaBroker) openSender(_ context.Context, topic string) (sender, error) {
	client, err := b.open(kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	partition := b.senders % b.settings.partitions
	b.senders++
	return &kafkaSender{client: client, topic: topic, partition: int32(partition)}, nil
}

func (s *kafkaSender) send(ctx context.Context, value []byte) error {
	// The client writes into the record; every send begins with a clean one.
	s.record = kgo.Record{Topic: s.topic, Partition: s.partition, Value: value}
	return s.client.ProduceSync(ctx, &s.record).FirstErr()
}

func (s *kafkaSender) share() sender {
	return &kafkaSender{client: s.client, topic: s.topic, partition: s.partition}
}

func (s *kafkaSender) close() { s.client.Close() }

// kafkaStream fills large batches, idempotently, its records going around the partitions.
type kafkaStream struct {
	client     *kgo.Client
	topic      string
	next       int32
	partitions int32
	promise    func(*kgo.Record, error)
	free       recordPool
}

// recordPool keeps records that came back, to be used again.
type recordPool struct{ pool sync.Pool }

func (p *recordPool) put(record *kgo.Record) { p.pool.Put(record) }

func (p *recordPool) get() *kgo.Record {
	if record, ok := p.pool.Get().(*kgo.Record); ok {
		return record
	}
	return new(kgo.Record)
}

func (b *kafkaBroker) openStream(_ context.Context, topic string, confirmed func([]byte, error)) (stream, error) {
	return b.openStreamLingering(topic, 5*time.Millisecond, confirmed)
}

func (b *kafkaBroker) openPaced(_ context.Context, topic string, confirmed func([]byte, error)) (stream, error) {
	return b.openStreamLingering(topic, 0, confirmed)
}

func (b *kafkaBroker) openStreamLingering(topic string, linger time.Duration, confirmed func([]byte, error)) (*kafkaStream, error) {
	s := &kafkaStream{topic: topic, partitions: int32(b.settings.partitions)}
	s.promise = func(record *kgo.Record, err error) {
		value := record.Value
		s.free.put(record)
		confirmed(value, err)
	}
	var err error
	s.client, err = b.open(
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchCompression(kafkaCodec(b.settings.codec)),
		kgo.ProducerBatchMaxBytes(kafkaBatchBytesMax),
		kgo.MaxBufferedBytes(kafkaBufferedBytesMax),
		kgo.MaxBufferedRecords(kafkaBufferedBytesMax),
	)
	return s, err
}

func (s *kafkaStream) put(ctx context.Context, value []byte) {
	record := s.free.get()
	*record = kgo.Record{Topic: s.topic, Partition: s.next, Value: value}
	if s.next++; s.next == s.partitions {
		s.next = 0
	}
	s.client.Produce(ctx, record, s.promise)
}

func (s *kafkaStream) flush(ctx context.Context) error { return s.client.Flush(ctx) }
func (s *kafkaStream) close()                          { s.client.Close() }

// kafkaReader reads all partitions of one topic.
type kafkaReader struct {
	client *kgo.Client
	topic  string
	bytes  int
	// Where each partition goes on; -1 is where nothing has been read.
	next     []int64
	assigned chan struct{}
	paused   bool
}

func (b *kafkaBroker) openReader(ctx context.Context, topic string, from start, group string) (reader, error) {
	r := &kafkaReader{topic: topic, bytes: b.settings.bytes, next: make([]int64, b.settings.partitions)}
	options := []kgo.Opt{
		kgo.FetchMaxBytes(kafkaFetchBytesMax),
		kgo.FetchMaxPartitionBytes(kafkaFetchPartitionBytesMax),
	}
	offsets, err := b.offsets(ctx, topic, from)
	if err != nil {
		return nil, err
	}
	for partition := range r.next {
		r.next[partition] = -1
	}
	if group == "" {
		options = append(options, kgo.ConsumePartitions(offsets))
	} else {
		r.assigned = make(chan struct{})
		once := sync.OnceFunc(func() { close(r.assigned) })
		options = append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
			kgo.AdjustFetchOffsetsFn(func(context.Context, map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
				once()
				return offsets, nil
			}))
	}
	if r.client, err = b.open(options...); err != nil {
		return nil, err
	}
	// Nothing is fetched before the story begins to read.
	r.client.PauseFetchTopics(topic)
	r.paused = true
	return r, nil
}

// offsets says where reading begins. With numbers from the first on, the client has nothing to ask for when it begins.
func (b *kafkaBroker) offsets(ctx context.Context, topic string, from start) (map[string]map[int32]kgo.Offset, error) {
	offsets := map[int32]kgo.Offset{}
	err := b.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		list := admin.ListStartOffsets
		if from == fromEnd {
			list = admin.ListEndOffsets
		}
		listed, err := list(ctx, topic)
		for ctx.Err() == nil && kerr.IsRetriable(err) {
			// A broker that has just been started may not lead yet.
			pause(ctx, kafkaRetryPause)
			listed, err = list(ctx, topic)
		}
		if err != nil {
			return err
		}
		listed.Each(func(at kadm.ListedOffset) { offsets[at.Partition] = kgo.NewOffset().At(at.Offset) })
		return listed.Error()
	})
	if err == nil && len(offsets) != b.settings.partitions {
		err = fmt.Errorf("topic %s has %d partitions, not %d: say so with --partitions", topic, len(offsets), b.settings.partitions)
	}
	return map[string]map[int32]kgo.Offset{topic: offsets}, err
}

func (r *kafkaReader) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, kafkaSetupTimeout)
	defer stop()
	if r.assigned != nil {
		select {
		case <-r.assigned:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the group was not assigned its partitions: %w", ctx.Err())
		}
	}
	for partition := range r.next {
		for {
			leader, _, err := r.client.PartitionLeader(r.topic, int32(partition))
			if leader >= 0 && err == nil {
				break
			}
			if pause(ctx, time.Millisecond); ctx.Err() != nil {
				return fmt.Errorf("no leader of %s/%d: %w", r.topic, partition, errors.Join(err, ctx.Err()))
			}
		}
	}
	return nil
}

func (r *kafkaReader) read(ctx context.Context, see func([]byte)) (readings, error) {
	if r.paused {
		r.client.ResumeFetchTopics(r.topic)
		r.paused = false
	}
	fetches := r.client.PollFetches(ctx)
	var got readings
	var failed error
	fetches.EachError(func(topic string, partition int32, err error) {
		failed = fmt.Errorf("fetch %s/%d: %w", topic, partition, err)
	})
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		first, last := p.Records[0], p.Records[len(p.Records)-1]
		if before := r.next[p.Partition]; before >= 0 && first.Offset != before {
			got.faults++
		}
		if last.Offset-first.Offset != int64(len(p.Records)-1) || len(first.Value) != r.bytes {
			got.faults++
		}
		r.next[p.Partition] = last.Offset + 1
		got.records += len(p.Records)
		if see != nil {
			for _, record := range p.Records {
				see(record.Value)
			}
		}
	})
	return got, failed
}

func (r *kafkaReader) close() { r.client.Close() }
