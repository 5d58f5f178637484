package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Records that one transaction copies, at most.
const copyBurst = 100

// copier copies a topic partition by partition, in transactions that hold its group's cursors too.
type copier struct {
	from, to, group string
	session         *kgo.GroupTransactSession
}

func openCopier(from, to, group string) *copier {
	c := &copier{from: from, to: to, group: group}
	c.open()
	return c
}

// open begins a session, and ends what the last one has left open: else that would hold the cursors that this one waits for until its
// time is up, because this client opens its transactional id with the first record only.
func (c *copier) open() {
	waitUntil("a session begins", func() bool {
		session, err := kgo.NewGroupTransactSession(c.options()...)
		must(err, "a session")
		c.session = session
		// A client that finds no broker here gives up what it has of its id.
		if err = session.Client().Ping(ctx); err == nil {
			_, _, err = session.Client().ProducerID(ctx)
		}
		if err != nil {
			fmt.Printf("no session: %v\n", err)
			session.Close()
		}
		return err == nil
	})
}

func (c *copier) options() []kgo.Opt {
	return append(groupOptions(c.group, c.from),
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.TransactionalID(c.group+"-copier"),
		// A session that begins anew while the broker is gone cannot leave its group: by its name the next one takes its place at once.
		kgo.InstanceID("copier"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		// After a crash it shall learn soon what its group knows of it.
		kgo.HeartbeatInterval(100*time.Millisecond),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
	)
}

func (c *copier) poll(most int) []*kgo.Record {
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	return c.session.PollRecords(short, most).Records()
}

// copySome copies what is there in one transaction, and does something else before its end. It returns the copies, or nothing when
// there was nothing, or when it is not known to be committed.
func (c *copier) copySome(before func()) []*kgo.Record {
	records := c.poll(copyBurst)
	if len(records) == 0 {
		return nil
	}
	copies, committed, err := c.copyAll(records, before)
	switch {
	case err != nil:
		// Such an error ends a session: the next one goes on where the last transaction that was committed ended.
		fmt.Printf("begins anew: %v\n", err)
		c.session.Close()
		c.open()
		return nil
	case !committed:
		fmt.Println("aborted")
		return nil
	}
	return copies
}

func (c *copier) copyAll(records []*kgo.Record, before func()) (copies []*kgo.Record, committed bool, err error) {
	if err := c.session.Begin(); err != nil {
		return nil, false, err
	}
	var mutex sync.Mutex
	var failed error
	for _, r := range records {
		made := &kgo.Record{Topic: c.to, Partition: r.Partition, Key: r.Key, Value: r.Value}
		c.session.Produce(ctx, made, func(r *kgo.Record, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			copies = append(copies, r)
			if err != nil {
				failed = err
			}
		})
	}
	before()
	if err := c.session.Client().Flush(ctx); err != nil {
		return nil, false, err
	}
	if failed != nil {
		fmt.Printf("not copied: %v\n", failed)
	}
	committed, err = c.session.End(ctx, kgo.TransactionEndTry(failed == nil))
	return copies, committed, err
}
