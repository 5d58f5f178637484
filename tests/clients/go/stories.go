package main

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var start = time.UnixMilli(1_700_000_000_000)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func roundtrip(codec string) {
	name := topic("roundtrip", 1)
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	keys := [][]byte{nil, {}, []byte("key"), binary}
	bodies := [][]byte{nil, {}, []byte("value"), []byte(strings.Repeat("long and compressible ", 50))}
	headers := [][]kgo.RecordHeader{
		nil,
		{{Key: "once", Value: []byte("1")}},
		{
			{Key: "twice", Value: []byte("first")},
			{Key: "twice", Value: []byte("second")},
			{Key: "null", Value: nil},
			{Key: "empty", Value: []byte{}},
		},
		{{Key: "\u00fc\u6f22", Value: binary}},
	}
	s := newSender(kgo.ProducerBatchCompression(codecs[codec]))
	var sent []*kgo.Record
	for i := range 300 {
		record := &kgo.Record{
			Topic:     name,
			Key:       keys[i%4],
			Value:     bodies[i/4%4],
			Headers:   headers[i/16%4],
			Timestamp: start.Add(time.Duration(i) * 10 * time.Millisecond),
		}
		sent = append(sent, record)
		s.send(record)
	}
	s.confirmed()
	found := read(name, 1, len(sent))
	check(len(found) == len(sent), "%d records came back", len(found))
	for i, record := range found {
		check(record.Offset == int64(i), "offset %d at place %d", record.Offset, i)
		check(same(record.Key, sent[i].Key), "key at offset %d: %q", i, record.Key)
		check(same(record.Value, sent[i].Value), "value at offset %d: %q", i, record.Value)
		check(record.Timestamp.Equal(sent[i].Timestamp), "timestamp at offset %d: %v", i, record.Timestamp)
		check(len(record.Headers) == len(sent[i].Headers), "%d headers at offset %d", len(record.Headers), i)
		for h, header := range record.Headers {
			expected := sent[i].Headers[h]
			check(header.Key == expected.Key && same(header.Value, expected.Value), "header %v at offset %d", header, i)
		}
	}
}

// same tells null from empty.
func same(a, b []byte) bool {
	return bytes.Equal(a, b) && (a == nil) == (b == nil)
}

func largeRecord() {
	name := topic("large", 1)
	large := make([]byte, 5<<20)
	_, err := rand.Read(large)
	must(err, "random bytes")
	sent := [][]byte{[]byte("before"), large, []byte("after")}
	s := newSender(kgo.ProducerBatchMaxBytes(8<<20), kgo.MaxBufferedBytes(32<<20))
	for _, value := range sent {
		s.send(&kgo.Record{Topic: name, Value: value})
	}
	s.confirmed()
	for i, record := range read(name, 1, 3) {
		check(bytes.Equal(record.Value, sent[i]), "record %d came back changed", i)
	}
}

func manySmall() {
	name := topic("many", 3)
	sendNumbers(name, 3, 20_000)
	checkNumbers(read(name, 3, 20_000), 3, 20_000)
}

func acknowledged(acks string) {
	name := topic("acks", 1)
	modes := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}
	sendNumbers(name, 1, 500, kgo.RequiredAcks(modes[acks]), kgo.DisableIdempotentWrite())
	checkNumbers(read(name, 1, 500), 1, 500)
}

// smallBatches makes many requests of few records.
func smallBatches() kgo.Opt {
	return kgo.ProducerBatchMaxBytes(1024)
}

func idempotent() {
	name := topic("idempotent", 1)
	for i, record := range sendNumbers(name, 1, 5_000, smallBatches()) {
		check(string(record.Value) == strconv.Itoa(i), "confirm %d is of record %s", i, record.Value)
		check(record.Offset == int64(i), "record %d was confirmed at offset %d", i, record.Offset)
	}
	checkNumbers(read(name, 1, 5_000), 1, 5_000)
}

func offsetsForTimes() {
	name := topic("times", 1)
	s := newSender(smallBatches())
	for i := range 200 {
		record := number(name, 0, i)
		record.Timestamp = start.Add(time.Duration(i) * time.Second)
		s.send(record)
	}
	s.confirmed()
	c := client()
	defer c.Close()
	adm := kadm.NewClient(c)
	// After the last record, this library gives the end instead of nothing.
	for _, pair := range [][2]int64{{-5_000, 0}, {0, 0}, {100_000, 100}, {100_001, 101}, {199_000, 199}, {199_001, 200}} {
		found, err := adm.ListOffsetsAfterMilli(ctx, start.UnixMilli()+pair[0], name)
		must(err, "list offsets")
		at, _ := found.Lookup(name, 0)
		must(at.Err, "list offsets")
		check(at.Offset == pair[1], "the offset for time start+%d ms is %d", pair[0], at.Offset)
	}
	first, err := adm.ListStartOffsets(ctx, name)
	must(err, "list start offsets")
	at, _ := first.Lookup(name, 0)
	check(at.Offset == 0, "the start offset is %d", at.Offset)
	last, err := adm.ListEndOffsets(ctx, name)
	must(err, "list end offsets")
	at, _ = last.Lookup(name, 0)
	check(at.Offset == 200, "the end offset is %d", at.Offset)
	greatest, err := adm.ListMaxTimestampOffsets(ctx, name)
	must(err, "list the offset of the greatest timestamp")
	at, _ = greatest.Lookup(name, 0)
	check(at.Offset == 199, "the offset of the greatest timestamp is %d", at.Offset)
}

func seek() {
	name := topic("seek", 1)
	sendNumbers(name, 1, 300)
	c := consumer(name, 1)
	defer c.Close()
	to := func(offset int64) {
		c.SetOffsets(map[string]map[int32]kgo.EpochOffset{name: {0: {Epoch: -1, Offset: offset}}})
	}
	check(first(c).Offset == 0, "the first offset from the earliest on is not 0")
	to(250)
	check(first(c).Offset == 250, "the first offset after a seek to 250 is not 250")
	to(0)
	check(first(c).Offset == 0, "the first offset after a seek to 0 is not 0")
	// In this library the ends are places to start from, not places to seek to.
	from := func(offset kgo.Offset) *kgo.Client {
		return client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: offset}}))
	}
	relative := from(kgo.NewOffset().AtEnd().Relative(-5))
	defer relative.Close()
	check(first(relative).Offset == 295, "the first offset five before the end is not 295")
	end := from(kgo.NewOffset().AtEnd())
	defer end.Close()
	// The end is looked up in the background, so records keep coming until one is seen.
	var behind []*kgo.Record
	waitUntil("a record behind the end comes", func() bool {
		sendNumbers(name, 1, 1)
		behind = poll(end)
		return len(behind) > 0
	})
	check(behind[0].Offset >= 300, "offset %d came to a consumer that starts at the end", behind[0].Offset)
}

func first(c *kgo.Client) *kgo.Record {
	var records []*kgo.Record
	waitUntil("a record comes", func() bool {
		records = poll(c)
		return len(records) > 0
	})
	return records[0]
}

func autoCreate() {
	name := topicName("made-by-the-first-record")
	sendNumbers(name, 1, 1)
	checkNumbers(read(name, 1, 1), 1, 1)
}

func admin() {
	name := topicName("admin")
	c := client()
	defer c.Close()
	adm := kadm.NewClient(c)
	hour := "3600000"
	create := func() error {
		_, err := adm.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": &hour}, name)
		return err
	}
	must(create(), "create")
	details := func() kadm.TopicDetail {
		found, err := adm.ListTopics(ctx, name)
		must(err, "list topics")
		return found[name]
	}
	waitUntil("the new topic has its partitions", func() bool { return len(details().Partitions) == 3 })
	configs, err := adm.DescribeTopicConfigs(ctx, name)
	must(err, "describe configs")
	described, err := configs.On(name, nil)
	must(err, "describe configs")
	found := slices.ContainsFunc(described.Configs, func(c kadm.Config) bool {
		return c.Key == "retention.ms" && c.MaybeValue() == hour
	})
	check(found, "retention.ms is not an hour: %v", described.Configs)
	again := create()
	check(again == kerr.TopicAlreadyExists, "a second create: %v", again)
	grown, err := adm.UpdatePartitions(ctx, 5, name)
	must(err, "more partitions")
	must(grown.Error(), "more partitions")
	waitUntil("there are five partitions", func() bool { return len(details().Partitions) == 5 })
	s := newSender()
	s.send(number(name, 4, 7))
	s.confirmed()
	got := values(read(name, 5, 1), 4)
	check(len(got) == 1 && got[0] == "7", "the new partition holds %v", got)
	deleted, err := adm.DeleteTopics(ctx, name)
	must(err, "delete")
	must(deleted.Error(), "delete")
	waitUntil("the deleted topic is gone", func() bool {
		all, err := adm.ListTopics(ctx)
		must(err, "list topics")
		return !all.Has(name)
	})
}
