package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	copied        = 6_000
	copyCrashes   = 4
	shortTimeout  = time.Second
	usualTimeout  = time.Minute
	offsetsWanted = 10
)

func transactional(id string, timeout time.Duration, options ...kgo.Opt) *kgo.Client {
	return producer(append(options, kgo.TransactionalID(topicName(id)), kgo.TransactionTimeout(timeout))...)
}

// produce waits for the confirms of records in the transaction that is open.
func produce(c *kgo.Client, name string, partition int32, values ...string) error {
	var records []*kgo.Record
	for _, value := range values {
		records = append(records, &kgo.Record{Topic: name, Partition: partition, Value: []byte(value)})
	}
	return c.ProduceSync(ctx, records...).FirstErr()
}

// everything is all that a reader of this kind sees of a partition up to the end that it is told.
func everything(name string, partition int32, level kgo.IsolationLevel) []string {
	// With the marks: by them the reader knows how far it has come.
	c := client(kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {partition: kgo.NewOffset().AtStart()}}))
	defer c.Close()
	list := kadm.NewClient(c).ListEndOffsets
	if level == kgo.ReadCommitted() {
		list = kadm.NewClient(c).ListCommittedOffsets
	}
	listed, err := list(ctx, name)
	must(err, "the end of "+name)
	end, _ := listed.Lookup(name, partition)
	must(end.Err, "the end of "+name)
	var found []string
	next := int64(0)
	waitUntil(fmt.Sprintf("%s is read up to %d", name, end.Offset), func() bool {
		if next >= end.Offset {
			return true
		}
		for _, r := range poll(c) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				found = append(found, string(r.Value))
			}
		}
		return next >= end.Offset
	})
	return found
}

func committed(name string, partition int32) []string {
	return everything(name, partition, kgo.ReadCommitted())
}

func checkSame(found, expected []string, what string) {
	check(slices.Equal(found, expected), "%s: found %d, expected %d: %.200v", what, len(found), len(expected), found)
}

func texts(from, to int) []string {
	var found []string
	for n := from; n < to; n++ {
		found = append(found, strconv.Itoa(n))
	}
	return found
}

func commitAndAbort() {
	name := topic("t", 3)
	c := transactional("p", usualTimeout)
	defer c.Close()
	var expected, written []string
	for round := range 20 {
		values := texts(round*50, round*50+50)
		must(c.BeginTransaction(), "begin")
		for partition := range int32(3) {
			must(produce(c, name, partition, values...), "produce")
		}
		written = append(written, values...)
		end := kgo.TransactionEndTry(round%3 != 1)
		if end {
			expected = append(expected, values...)
		}
		must(c.EndTransaction(ctx, end), "end")
	}
	for partition := range int32(3) {
		checkSame(committed(name, partition), expected, "committed values")
		checkSame(everything(name, partition, kgo.ReadUncommitted()), written, "all values")
	}
}

func openHides() {
	name := topic("t", 1)
	first, second, plain := transactional("first", usualTimeout), transactional("second", usualTimeout), producer()
	defer first.Close()
	defer second.Close()
	defer plain.Close()
	must(produce(plain, name, 0, "before"), "produce")
	must(first.BeginTransaction(), "begin")
	must(produce(first, name, 0, "first"), "produce")
	must(second.BeginTransaction(), "begin")
	must(produce(second, name, 0, "second"), "produce")
	must(produce(plain, name, 0, "behind"), "produce")
	checkSame(committed(name, 0), []string{"before"}, "beside two open transactions")
	must(second.EndTransaction(ctx, kgo.TryCommit), "commit")
	checkSame(committed(name, 0), []string{"before"}, "beside one")
	waits := client(kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().At(1)}}))
	defer waits.Close()
	check(len(poll(waits)) == 0, "something of it was seen")
	must(first.EndTransaction(ctx, kgo.TryAbort), "abort")
	var seen []string
	waitUntil("the rest is seen", func() bool {
		for _, r := range poll(waits) {
			seen = append(seen, string(r.Value))
		}
		return len(seen) >= 2
	})
	checkSame(seen, []string{"second", "behind"}, "what became visible")
	checkSame(committed(name, 0), []string{"before", "second", "behind"}, "at the end")
}

// cursorsInTransactions: what a session polled is committed with its transaction, or not.
func cursorsInTransactions() {
	name, out, group := topic("t", 1), topic("out", 1), topicName("group")
	sendNumbers(name, 1, offsetsWanted)
	c := openCopier(name, out, group)
	defer c.session.Close()
	cursor := func() int64 {
		found, err := kadm.NewClient(c.session.Client()).FetchOffsets(ctx, group)
		must(err, "fetch cursors")
		at, known := found.Lookup(name, 0)
		if !known {
			return -1
		}
		return at.At
	}
	polled := func() {
		count := 0
		waitUntil("records are there", func() bool {
			count += len(c.poll(offsetsWanted))
			return count >= offsetsWanted
		})
	}
	polled()
	must(c.session.Begin(), "begin")
	done, err := c.session.End(ctx, kgo.TryAbort)
	check(!done && err == nil, "an abort: %v, %v", done, err)
	check(cursor() == -1, "an aborted transaction has set a cursor to %d", cursor())
	// It goes back to where its group is.
	polled()
	must(c.session.Begin(), "begin")
	must(produce(c.session.Client(), out, 0, "x"), "produce")
	done, err = c.session.End(ctx, kgo.TryCommit)
	check(done && err == nil, "a commit: %v, %v", done, err)
	// Apache Kafka writes the mark behind its answer.
	waitUntil("the cursor is committed", func() bool { return cursor() == offsetsWanted })
	checkSame(committed(out, 0), []string{"x"}, "what was committed with it")
}

func fenced() {
	name := topic("t", 1)
	old, anew := transactional("p", usualTimeout), transactional("p", usualTimeout)
	defer old.Close()
	defer anew.Close()
	must(old.BeginTransaction(), "begin")
	must(produce(old, name, 0, "of the old one"), "produce")
	must(anew.BeginTransaction(), "begin")
	must(produce(anew, name, 0, "of the new one"), "produce")
	must(anew.EndTransaction(ctx, kgo.TryCommit), "commit")
	check(produce(old, name, 0, "too late") != nil, "a fenced producer has written")
	check(old.EndTransaction(ctx, kgo.TryCommit) != nil, "a fenced producer has committed")
	must(anew.BeginTransaction(), "begin")
	must(produce(anew, name, 0, "of the new one again"), "produce")
	must(anew.EndTransaction(ctx, kgo.TryCommit), "commit")
	checkSame(committed(name, 0), []string{"of the new one", "of the new one again"}, "committed values")
}

func timeIsUp() {
	name := topic("t", 1)
	slow, plain := transactional("p", shortTimeout), producer()
	defer slow.Close()
	defer plain.Close()
	must(slow.BeginTransaction(), "begin")
	must(produce(slow, name, 0, "left open"), "produce")
	must(produce(plain, name, 0, "behind"), "produce")
	waitUntil("it was aborted", func() bool { return slices.Equal(committed(name, 0), []string{"behind"}) })
	check(slow.EndTransaction(ctx, kgo.TryCommit) != nil, "an aborted transaction was committed")
	anew := transactional("p", usualTimeout)
	defer anew.Close()
	must(anew.BeginTransaction(), "begin")
	must(produce(anew, name, 0, "again"), "produce")
	must(anew.EndTransaction(ctx, kgo.TryCommit), "commit")
	checkSame(committed(name, 0), []string{"behind", "again"}, "committed values")
}

// manyIds runs transactions of many producers over the same partitions, at the same time.
func manyIds() {
	const ids, rounds, partitions = 8, 25, 4
	name := topic("t", partitions)
	failures := make(chan error, ids)
	for id := range ids {
		go func() { failures <- everySecond(name, id, rounds, partitions) }()
	}
	for range ids {
		must(<-failures, "a transaction")
	}
	for partition := range int32(partitions) {
		found := map[string][]string{}
		for _, value := range committed(name, partition) {
			id, round, _ := strings.Cut(value, "/")
			found[id] = append(found[id], round)
		}
		var expected []string
		for round := 0; round < rounds; round += 2 {
			expected = append(expected, strconv.Itoa(round))
		}
		for id := range ids {
			checkSame(found[strconv.Itoa(id)], expected, fmt.Sprintf("rounds of %d", id))
		}
	}
}

// everySecond commits every second transaction of a producer.
func everySecond(name string, id, rounds int, partitions int32) error {
	c := transactional(fmt.Sprintf("p%d", id), usualTimeout)
	defer c.Close()
	for round := range rounds {
		if err := c.BeginTransaction(); err != nil {
			return err
		}
		for partition := range partitions {
			if err := produce(c, name, partition, fmt.Sprintf("%d/%d", id, round)); err != nil {
				return err
			}
		}
		if err := c.EndTransaction(ctx, kgo.TransactionEndTry(round%2 == 0)); err != nil {
			return err
		}
	}
	return nil
}

// copyOverCrashes: what is copied with its cursor in one transaction is there once, whenever the broker dies.
func copyOverCrashes() {
	from, to := topic("from", 2), topic("to", 2)
	sendNumbers(from, 2, copied)
	c := openCopier(from, to, topicName("group"))
	defer func() { c.session.Close() }()
	done, crashes := 0, 0
	end := time.Now().Add(3 * waitLimit)
	for done < copied {
		check(time.Now().Before(end), "%d of %d are copied, over %d crashes", done, copied, crashes)
		if records := c.copySome(func() {
			if crashes < copyCrashes && done >= copied/(copyCrashes+1)*(crashes+1) {
				crashes++
				killBroker()
			}
		}); records != nil {
			done += len(records)
			continue
		}
		// What its last transaction came to is not known where the answer was lost.
		done = len(committed(to, 0)) + len(committed(to, 1))
	}
	check(crashes == copyCrashes, "%d crashes", crashes)
	for partition := range 2 {
		var expected []string
		for n := partition; n < copied; n += 2 {
			expected = append(expected, strconv.Itoa(n))
		}
		checkSame(committed(to, int32(partition)), expected, fmt.Sprintf("copied to partition %d", partition))
	}
}
