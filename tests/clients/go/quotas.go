package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Ten seconds' worth may come at once, by the quota of src/suites/quotas.rs; so much takes twice that time.
const (
	quotaBytes  = 4_000_000
	quotaRecord = 5_000
	// What the quota alone must make it last, with room for the last request of all. However slow the machine is, it lasts no shorter.
	quotaLeast = 5 * time.Second
)

// throttles hears of every time that the broker asks for.
type throttles struct {
	longest atomic.Int64
}

func (t *throttles) OnBrokerThrottle(_ kgo.BrokerMetadata, interval time.Duration, _ bool) {
	t.longest.Store(max(t.longest.Load(), int64(interval)))
}

func quota() {
	name := topic("held", 1)
	told := &throttles{}
	s := newSender(
		kgo.ClientID(topicName("franz")),
		kgo.WithHooks(told),
		kgo.ProducerBatchMaxBytes(50_000),
		// Compressed, it would be too little to be held back.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	begun := time.Now()
	for n := range quotaBytes / quotaRecord {
		value := fmt.Sprintf("%d %s", n, strings.Repeat("v", quotaRecord))
		s.send(&kgo.Record{Topic: name, Value: []byte(value[:quotaRecord])})
	}
	s.confirmed()
	took := time.Since(begun)
	check(took >= quotaLeast, "%d bytes were published in %v", quotaBytes, took)
	check(told.longest.Load() > 0, "it was told of no throttle time")
	found := read(name, 1, quotaBytes/quotaRecord)
	check(len(found) == quotaBytes/quotaRecord, "%d records are there", len(found))
	for n, record := range found {
		check(strings.HasPrefix(string(record.Value), fmt.Sprintf("%d v", n)), "record %d is another", n)
	}
}
