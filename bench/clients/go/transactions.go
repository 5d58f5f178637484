package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Records that the copier takes at once.
const copyPollMax = 10_000

// tallied is what transactions that were committed held, and how long their ends took.
type tallied struct {
	records int
	commits int
	aborts  int
	found   *latencies
}

// report prints it as the result of a window.
func (t tallied) report(w *window, s *settings) {
	w.report(t.records, t.records*s.bytes, t.aborts, t.found, map[string]any{"transactions": t.commits})
}

// transactions is a stream of large batches in transactions of a fixed length; the latency is that of their ends.
func transactions(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.seconds == 0 {
		return usageError("--seconds sets the length of this story")
	}
	if err := broker.create(ctx, s.topic); err != nil {
		return err
	}
	client, err := broker.open(append(streamOptions(), kgo.TransactionalID(fresh("transactions")))...)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := streamInTransactions(ctx, s, client, s.warm()); err != nil {
		return err
	}
	window := s.out.begin("transactions")
	sent, err := streamInTransactions(ctx, s, client, s.window())
	window.end()
	if err != nil {
		return err
	}
	sent.report(window, s)
	return nil
}

func streamOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.ProducerLinger(5 * time.Millisecond),
		kgo.ProducerBatchMaxBytes(kafkaBatchBytesMax),
		kgo.MaxBufferedBytes(kafkaBufferedBytesMax),
		kgo.MaxBufferedRecords(kafkaBufferedBytesMax),
	}
}

func streamInTransactions(ctx context.Context, s *settings, client *kgo.Client, length time.Duration) (tallied, error) {
	t := tallied{found: newLatencies()}
	var free recordPool
	var failed atomic.Pointer[error]
	promise := func(record *kgo.Record, err error) {
		free.put(record)
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	sent := 0
	for end := now() + length; now() < end; {
		if err := client.BeginTransaction(); err != nil {
			return t, err
		}
		first := sent
		for until := now() + s.transaction(); now() < until; sent++ {
			record := free.get()
			*record = kgo.Record{Topic: s.topic, Partition: int32(sent % s.partitions), Value: s.payloads.at(sent)}
			client.Produce(ctx, record, promise)
		}
		start := now()
		if err := errors.Join(client.Flush(ctx), client.EndTransaction(ctx, kgo.TryCommit)); err != nil {
			return t, err
		}
		t.found.add(now() - start)
		t.commits++
		t.records += sent - first
		if err := failed.Load(); err != nil {
			return t, *err
		}
	}
	return t, nil
}

// copyTopic reads a topic and writes it to another, in transactions that hold the reader's cursors too.
func copyTopic(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.records == 0 {
		return usageError("--records says how many records the topic holds")
	}
	if _, err := fill(ctx, s, s.topic, s.records); err != nil {
		return err
	}
	if s.warmSeconds > 0 {
		if _, err := copyInTransactions(ctx, s, broker, s.warm(), func() {}, func() {}); err != nil {
			return err
		}
	}
	var window *window
	begin := func() { window = s.out.begin("copy") }
	copied, err := copyInTransactions(ctx, s, broker, s.window(), begin, func() { window.end() })
	if err != nil {
		return err
	}
	copied.report(window, s)
	return nil
}

// copyInTransactions copies all, or for as long as that (0 is without limit), into a topic of its own. It tells when the first
// records are there and when the last are committed: joining a group and leaving it are no part of a rate.
func copyInTransactions(ctx context.Context, s *settings, broker *kafkaBroker, length time.Duration, begin, end func()) (tallied, error) {
	t := tallied{found: newLatencies()}
	to := fresh(s.topic)
	if err := broker.create(ctx, to); err != nil {
		return t, err
	}
	session, err := kgo.NewGroupTransactSession(append(streamOptions(),
		kgo.SeedBrokers(broker.address),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(to),
		kgo.ConsumerGroup(to),
		kgo.ConsumeTopics(s.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(kafkaFetchBytesMax),
		kgo.FetchMaxPartitionBytes(kafkaFetchPartitionBytesMax),
	)...)
	if err != nil {
		return t, err
	}
	defer session.Close()
	limit, begun := time.Duration(0), false
	for t.records < s.records && (limit == 0 || now() < limit) {
		records, err := pollCopied(ctx, session)
		if err != nil {
			return t, err
		}
		if !begun {
			begun = true
			begin()
			if length > 0 {
				limit = now() + length
			}
		}
		if err := copyOnce(ctx, s, session, to, records, &t); err != nil {
			return t, err
		}
	}
	end()
	return t, nil
}

// pollCopied waits for records, and gives up where none come.
func pollCopied(ctx context.Context, session *kgo.GroupTransactSession) ([]*kgo.Record, error) {
	limited, stop := context.WithTimeout(ctx, stalledAfter)
	defer stop()
	for {
		fetches := session.PollRecords(limited, copyPollMax)
		if records := fetches.Records(); len(records) > 0 {
			return records, nil
		}
		if err := limited.Err(); err != nil {
			return nil, fmt.Errorf("no records came for %s: %w", stalledAfter, errors.Join(err, fetches.Err()))
		}
	}
}

// copyOnce is one transaction: these records, and what else comes while it lasts.
func copyOnce(ctx context.Context, s *settings, session *kgo.GroupTransactSession, to string, records []*kgo.Record, t *tallied) error {
	if err := session.Begin(); err != nil {
		return err
	}
	until := now() + s.transaction()
	copied := 0
	for {
		for _, r := range records {
			// What went wrong is told by the end.
			session.Produce(ctx, &kgo.Record{Topic: to, Partition: r.Partition, Key: r.Key, Value: r.Value}, nil)
		}
		copied += len(records)
		left := until - now()
		if left <= 0 || t.records+copied >= s.records {
			break
		}
		limited, stop := context.WithTimeout(ctx, left)
		records = session.PollRecords(limited, copyPollMax).Records()
		stop()
	}
	start := now()
	committed, err := session.End(ctx, kgo.TryCommit)
	if err != nil {
		return err
	}
	if !committed {
		t.aborts++
		return nil
	}
	t.found.add(now() - start)
	t.commits++
	t.records += copied
	return nil
}
