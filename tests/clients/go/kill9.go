package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	kill9Partitions = 4
	// Records under way at once: enough to have several requests in flight on each partition.
	kill9InFlight = 2_000
	kill9Burst    = 100
	kill9Pause    = 5 * time.Millisecond
)

// load is an idempotent acks=all producer that never stops by itself and writes down what was confirmed.
type load struct {
	client    *kgo.Client
	topic     string
	tokens    chan struct{}
	stopping  chan struct{}
	done      chan struct{}
	mutex     sync.Mutex
	confirmed [kill9Partitions]map[int64]string
	failed    error
	count     int
}

// kill9 serves the harness: "confirmed" answers with the number of records confirmed so far, "verify" holds the
// log against the confirms, "stop" ends the load and verifies a last time.
func kill9() {
	l := startLoad(topic("kill9", kill9Partitions))
	verifier := newVerifier(l.topic)
	for {
		line, err := stdin.ReadString('\n')
		must(err, "the harness's wish")
		switch strings.TrimSpace(line) {
		case "confirmed":
			fmt.Printf("answer %d\n", l.confirmedCount())
		case "verify":
			verifier.verify(l.snapshot())
			fmt.Printf("answer %d\n", verifier.total())
		case "stop":
			close(l.stopping)
			<-l.done
			must(l.client.Flush(ctx), "flush")
			must(l.failed, "produce")
			verifier.verify(l.snapshot())
			fmt.Printf("answer %d\n", verifier.total())
			os.Exit(0)
		default:
			panic("an unknown wish: " + line)
		}
	}
}

func startLoad(name string) *load {
	l := &load{
		client: producer(
			kgo.ProducerLinger(0),
			kgo.ProducerBatchMaxBytes(4<<10),
			kgo.MaxBufferedRecords(2*kill9InFlight),
			kgo.MetadataMinAge(50*time.Millisecond),
			kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		),
		topic:    name,
		tokens:   make(chan struct{}, kill9InFlight),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	for p := range l.confirmed {
		l.confirmed[p] = map[int64]string{}
	}
	go l.run()
	return l
}

func (l *load) run() {
	defer close(l.done)
	for n := 0; ; n++ {
		if n%kill9Burst == 0 {
			// Some 20,000 records a second: enough for full batches, and a disk lasts for hundreds of rounds.
			time.Sleep(kill9Pause)
		}
		select {
		case <-l.stopping:
			return
		case l.tokens <- struct{}{}:
		}
		partition := int32(n % kill9Partitions)
		value := fmt.Sprintf("%d %s", n/kill9Partitions, strings.Repeat("x", 50+n%100))
		record := &kgo.Record{Topic: l.topic, Partition: partition, Value: []byte(value)}
		l.client.Produce(ctx, record, l.confirm)
	}
}

func (l *load) confirm(r *kgo.Record, err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if err != nil && l.failed == nil {
		l.failed = err
	}
	if err == nil {
		l.confirmed[r.Partition][r.Offset] = string(r.Value)
		l.count++
	}
	<-l.tokens
}

func (l *load) confirmedCount() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	must(l.failed, "produce")
	return l.count
}

// snapshot hands over the confirms since the last one.
func (l *load) snapshot() [kill9Partitions]map[int64]string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	must(l.failed, "produce")
	taken := l.confirmed
	for p := range l.confirmed {
		l.confirmed[p] = map[int64]string{}
	}
	return taken
}

// verifier reads the log once, from its start on, as far as the confirms reach.
type verifier struct {
	consumer *kgo.Client
	next     [kill9Partitions]int64
	// How many records were read.
	taken [kill9Partitions]int
	// Read from the log and not confirmed yet.
	unconfirmed [kill9Partitions]map[int64]string
}

func newVerifier(name string, options ...kgo.Opt) *verifier {
	v := &verifier{consumer: consumer(name, kill9Partitions, options...)}
	for p := range v.unconfirmed {
		v.unconfirmed[p] = map[int64]string{}
	}
	return v
}

// verify checks that each partition holds the numbers from 0 on, each once and in order, and that each confirmed
// record stands where its confirm said.
func (v *verifier) verify(confirmed [kill9Partitions]map[int64]string) {
	last := [kill9Partitions]int64{}
	for p := range confirmed {
		last[p] = -1
		for offset := range confirmed[p] {
			last[p] = max(last[p], offset)
		}
	}
	end := time.Now().Add(waitLimit)
	for v.isBehind(last) {
		check(time.Now().Before(end), "confirmed up to %v, but the log is read only below %v", last, v.next)
		v.readOn()
	}
	for p := range confirmed {
		for offset, value := range confirmed[p] {
			found := v.unconfirmed[p][offset]
			check(found == value, "confirmed at %d/%d: %q; there stands %q", p, offset, value, found)
			delete(v.unconfirmed[p], offset)
		}
	}
}

func (v *verifier) isBehind(last [kill9Partitions]int64) bool {
	for p := range last {
		if v.next[p] <= last[p] {
			return true
		}
	}
	return false
}

func (v *verifier) readOn() {
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	fetches := v.consumer.PollRecords(short, 2_000)
	for _, failure := range fetches.Errors() {
		if short.Err() == nil {
			fmt.Printf("fetch of partition %d: %v\n", failure.Partition, failure.Err)
		}
	}
	for _, r := range fetches.Records() {
		v.take(r)
	}
}

// take checks the order: the n-th record of a partition is number n, or a record was lost, doubled or moved.
func (v *verifier) take(r *kgo.Record) {
	number, _, _ := strings.Cut(string(r.Value), " ")
	expected := strconv.Itoa(v.taken[r.Partition])
	check(number == expected, "partition %d holds number %s at offset %d instead of %s", r.Partition, number, r.Offset, expected)
	check(r.Offset >= v.next[r.Partition], "offset %d of partition %d came twice", r.Offset, r.Partition)
	v.unconfirmed[r.Partition][r.Offset] = string(r.Value)
	v.next[r.Partition] = r.Offset + 1
	v.taken[r.Partition]++
}

// total counts the records read so far.
func (v *verifier) total() int {
	total := 0
	for _, taken := range v.taken {
		total += taken
	}
	return total
}
