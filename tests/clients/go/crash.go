package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// produceOverACrash sends numbers before, during and after a crash of the broker, over two partitions in turn.
func produceOverACrash(options ...kgo.Opt) (name string, confirmed []*kgo.Record) {
	name = topic("crash", 2)
	s := newSender(append(options, smallBatches(), kgo.MaxBufferedRecords(resultsWaiting))...)
	send := func(count int) {
		for range count {
			s.send(number(name, int32(s.sent%2), s.sent))
		}
	}
	send(4_000)
	must(s.client.Flush(ctx), "flush")
	crashed := make(chan struct{})
	go func() {
		killBroker()
		close(crashed)
	}()
	for over := false; !over; {
		select {
		case <-crashed:
			over = true
		case <-time.After(5 * time.Millisecond):
			send(20)
		}
	}
	send(2_000)
	return name, s.confirmed()
}

func restartIdempotent() {
	name, confirmed := produceOverACrash()
	records := read(name, 2, len(confirmed))
	checkNumbers(records, 2, len(confirmed))
	type place struct {
		partition int32
		offset    int64
	}
	found := map[place]string{}
	for _, r := range records {
		found[place{r.Partition, r.Offset}] = string(r.Value)
	}
	for _, r := range confirmed {
		at := place{r.Partition, r.Offset}
		check(found[at] == string(r.Value), "%s was confirmed at %v, where %s stands", r.Value, at, found[at])
	}
}

func restartPlain() {
	name, confirmed := produceOverACrash(kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	missing := map[string]bool{}
	for _, r := range confirmed {
		missing[string(r.Value)] = true
	}
	c := consumer(name, 2)
	defer c.Close()
	waitUntil("all records are read", func() bool {
		for _, r := range poll(c) {
			delete(missing, string(r.Value))
		}
		return len(missing) == 0
	})
}

func restartConsume() {
	name := topic("crash", 2)
	group := topicName("group")
	sendNumbers(name, 2, 4_000)
	c := client(groupOptions(group, name)...)
	defer c.Close()
	seen := map[string]bool{}
	var last []*kgo.Record
	crashed := false
	waitUntil("all records are read over the crash", func() bool {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		records := c.PollRecords(short, 50).Records()
		for _, r := range records {
			seen[string(r.Value)] = true
		}
		last = append(last, records...)
		if len(seen) >= 1_500 && !crashed {
			must(c.CommitRecords(ctx, last...), "commit before the crash")
			killBroker()
			crashed = true
		}
		return len(seen) >= 4_000
	})
	check(crashed, "the broker was never killed")
	// The crash may still be under way for the group: the commit goes through once it is not.
	waitUntil("the offsets are committed", func() bool { return c.CommitRecords(ctx, last...) == nil })
	committed, err := kadm.NewClient(c).FetchOffsets(ctx, group)
	must(err, "fetch offsets")
	for p := range int32(2) {
		at, _ := committed.Lookup(name, p)
		check(at.At == 2_000, "committed %d of partition %d", at.At, p)
	}
}

// oneByOne sends the given number of records, each after the confirm of the one before, with markers that a
// trace of the broker's system calls can be searched for.
func oneByOne() {
	count, err := strconv.Atoi(os.Args[2])
	must(err, "the count")
	name := topic("traced", 1)
	c := producer(kgo.ProducerLinger(0))
	defer c.Close()
	for n := range count {
		record := &kgo.Record{Topic: name, Value: fmt.Appendf(nil, "MARKER-%06d-", n)}
		must(c.ProduceSync(ctx, record).FirstErr(), "produce")
	}
}
