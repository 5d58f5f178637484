package main

import (
	"context"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func client(options ...kgo.Opt) *kgo.Client {
	all := append([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, options...)
	made, err := kgo.NewClient(all...)
	must(err, "a client")
	return made
}

func producer(options ...kgo.Opt) *kgo.Client {
	all := append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(2 * time.Millisecond),
		kgo.AllowAutoTopicCreation(),
	}, options...)
	return client(all...)
}

func consumer(topic string, partitions int32, options ...kgo.Opt) *kgo.Client {
	starts := map[int32]kgo.Offset{}
	for p := range partitions {
		starts[p] = kgo.NewOffset().AtStart()
	}
	return client(append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))...)
}

// topic makes a topic of this case's own.
func topic(part string, partitions int32) string {
	name := topicName(part)
	c := client()
	defer c.Close()
	_, err := kadm.NewClient(c).CreateTopic(ctx, partitions, 1, nil, name)
	must(err, "create "+name)
	return name
}

// sender sends and remembers what was confirmed where.
type sender struct {
	client  *kgo.Client
	results chan result
	sent    int
}

type result struct {
	record *kgo.Record
	err    error
}

// Results that nobody has asked for yet.
const resultsWaiting = 1_000_000

func newSender(options ...kgo.Opt) *sender {
	return &sender{client: producer(options...), results: make(chan result, resultsWaiting)}
}

func (s *sender) send(record *kgo.Record) {
	s.sent++
	s.client.Produce(ctx, record, func(r *kgo.Record, err error) { s.results <- result{r, err} })
}

// confirmed waits for every confirm; an error of any of them ends the story.
func (s *sender) confirmed() []*kgo.Record {
	must(s.client.Flush(ctx), "flush")
	records := make([]*kgo.Record, 0, s.sent)
	for range s.sent {
		r := <-s.results
		must(r.err, "produce")
		records = append(records, r.record)
	}
	s.client.Close()
	return records
}

func number(topic string, partition int32, n int) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(n))}
}

// sendNumbers spreads numbers over the partitions in turn and waits for the confirms.
func sendNumbers(topic string, partitions int32, count int, options ...kgo.Opt) []*kgo.Record {
	s := newSender(options...)
	for n := range count {
		s.send(number(topic, int32(n)%partitions, n))
	}
	return s.confirmed()
}

func checkNumbers(records []*kgo.Record, partitions int32, count int) {
	for p := range partitions {
		found := values(records, p)
		at := 0
		for n := int(p); n < count; n += int(partitions) {
			check(at < len(found) && found[at] == strconv.Itoa(n), "partition %d lacks %d at its place %d", p, n, at)
			at++
		}
		check(len(found) == at, "partition %d has %d records instead of %d", p, len(found), at)
	}
}

// poll returns what comes within a moment. Errors on the way are the library's to live through: a story that
// does not get what it waits for says so itself.
func poll(c *kgo.Client) []*kgo.Record {
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	return c.PollRecords(short, 500).Records()
}

// read reads this many records from the start, and polls once more: what should not be there would come then.
func read(topic string, partitions int32, count int) []*kgo.Record {
	c := consumer(topic, partitions)
	defer c.Close()
	var records []*kgo.Record
	waitUntil("all records are read from "+topic, func() bool {
		records = append(records, poll(c)...)
		return len(records) >= count
	})
	return append(records, poll(c)...)
}

func values(records []*kgo.Record, partition int32) []string {
	var found []string
	for _, r := range records {
		if r.Partition == partition {
			found = append(found, string(r.Value))
		}
	}
	return found
}
