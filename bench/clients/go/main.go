// Command load puts one kind of work on a broker from outside, through a public client, and prints what came of it as JSON lines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A story is one kind of work. It takes the flags it names and refuses all others.
type story struct {
	name  string
	what  string
	flags []string
	// Defaults that differ from those of the flags.
	defaults map[string]string
	run      func(context.Context, *settings) error
}

var stories = []story{
	{"classic", "senders that each wait for their record's confirm", []string{"connections", "one-connection", "bytes", "seconds", "partitions"},
		map[string]string{"bytes": "124"}, classic},
	{"produce", "a stream of records in large batches", []string{"clients", "codec", "bytes", "records", "seconds", "partitions"},
		map[string]string{"records": "0"}, produce},
	{"consume", "groups that catch up from the start of a topic, which is filled first unless it holds the records already", []string{"groups", "codec", "bytes", "records", "seconds", "partitions"},
		map[string]string{"seconds": "0"}, consume},
	{"latency", "end to end, producer to reader, at a fixed rate", []string{"rate", "bytes", "seconds", "partitions"}, nil, latency},
	{"tail", "end to end to groups that keep up with a fixed rate", []string{"groups", "rate", "bytes", "seconds", "partitions"}, nil, tail},
	{"topics", "records to many topics that were just made, and twice again when they are not new", []string{"topics", "each", "bytes", "partitions"}, nil, topics},
	{"interleaved", "records to many topics in turn, some of which are then read from their start", []string{"topics", "batch", "records-each", "readings", "bytes"},
		map[string]string{"topics": "1000"}, interleaved},
	{"noisy", "confirm latency of many small clients, alone and beside one that sends all it can", []string{"small-clients", "small-rate", "small-bytes", "bytes", "seconds", "codec", "partitions"}, nil, noisy},
	{"paced", "confirm latency of clients that each send at a fixed rate", []string{"small-clients", "small-rate", "small-bytes", "seconds", "partitions"}, nil, paced},
	{"big-beside", "confirm latency of small records, alone and beside a client that sends large ones", []string{"small-clients", "small-rate", "small-bytes", "bytes", "every", "seconds", "partitions"},
		map[string]string{"small-clients": "1", "small-rate": "1000", "bytes": "1000000"}, bigBeside},
	{"backlog", "a topic that nobody reads: fill it, produce beside it, read it", []string{"records", "bytes", "codec", "seconds", "partitions"},
		map[string]string{"records": "20000000", "bytes": "512"}, backlog},
	{"slow-consumer", "latency of a tail reader, alone and beside a reader of a backlog", []string{"records", "rate", "bytes", "seconds", "partitions"},
		map[string]string{"rate": "1000"}, slowConsumer},
	{"transactions", "a stream of records in transactions", []string{"transaction-ms", "bytes", "seconds", "partitions"}, nil, transactions},
	{"copy", "a topic copied to another in transactions with the reader's cursors", []string{"transaction-ms", "records", "bytes", "seconds", "partitions"},
		map[string]string{"seconds": "0"}, copyTopic},
	{"commits", "groups that commit their cursors in turn", []string{"groups", "connections", "seconds"},
		map[string]string{"groups": "10000", "connections": "16"}, commits},
	{"share", "a topic worked off by the members of one share group, each with connections of its own", []string{"connections", "records", "bytes", "seconds", "partitions"},
		map[string]string{"connections": "8", "seconds": "0"}, share},
	{"compaction", "updates of few keys to a topic that is compacted meanwhile, and what is left of them", []string{"keys", "rate", "settle", "bytes", "seconds", "partitions"},
		map[string]string{"seconds": "30", "rate": "50000"}, compaction},
}

// These every story takes.
var common = []string{"broker", "topic", "payload", "generate", "warm", "topic-config"}

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	// A load generator that collects garbage seldom leaves the machine to the broker.
	debug.SetGCPercent(400)
	chosen := chooseStory(os.Args[1:])
	s, flags := chosen.settings()
	// ExitOnError ends the program with 2, or with 0 where help was asked for.
	_ = flags.Parse(os.Args[2:])
	if flags.NArg() > 0 {
		refuse("load %s: what is %q? flags follow the story and nothing else", chosen.name, flags.Arg(0))
	}
	if err := s.check(); err != nil {
		refuse("load %s: %v", chosen.name, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		// The second signal is not waited for.
		<-ctx.Done()
		stop()
	}()
	err := s.open()
	if err == nil {
		err = chosen.run(ctx, s)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(os.Stderr, "load %s: interrupted\n", chosen.name)
		os.Exit(exitInterrupted)
	case errors.As(err, new(usageError)):
		refuse("load %s: %v", chosen.name, err)
	case err != nil:
		fmt.Fprintf(os.Stderr, "load %s: %v\n", chosen.name, err)
		os.Exit(exitFailed)
	}
}

// A usageError is a wish that cannot be met, whatever the broker does.
type usageError string

func (e usageError) Error() string { return string(e) }

func chooseStory(arguments []string) *story {
	if len(arguments) > 0 {
		at := slices.IndexFunc(stories, func(s story) bool { return s.name == arguments[0] })
		if at >= 0 {
			return &stories[at]
		}
	}
	fmt.Fprintln(os.Stderr, "usage: load STORY [flags]; load STORY --help names its flags")
	for _, s := range stories {
		fmt.Fprintf(os.Stderr, "  %-14s %s\n", s.name, s.what)
	}
	if len(arguments) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, arguments[0]) {
		os.Exit(0)
	}
	os.Exit(exitUsage)
	return nil
}

func refuse(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(exitUsage)
}

// settings is what was asked for.
type settings struct {
	address       string
	topic         string
	payloadFile   string
	generate      string
	warmSeconds   float64
	topicConfig   keyValues
	connections   int
	oneConnection bool
	clients       int
	groups        int
	partitions    int
	bytes         int
	records       int
	seconds       float64
	rate          int
	codec         string
	topics        int
	each          int
	batch         int
	recordsEach   int
	readings      int
	smallClients  int
	smallRate     int
	smallBytes    int
	every         float64
	transactionMs int
	keys          int
	settle        float64

	broker   broker
	payloads *payloads
	out      *reporter
}

// settings of a story, at their defaults, and the flags that change them.
func (s *story) settings() (*settings, *flag.FlagSet) {
	v := &settings{topicConfig: keyValues{}}
	all := flag.NewFlagSet("", flag.PanicOnError)
	all.StringVar(&v.address, "broker", "kafka://127.0.0.1:9092", "kafka://HOST:PORT or nats://HOST:PORT")
	all.StringVar(&v.topic, "topic", "", "the topic, or the stream; made unless it exists (default: a new name)")
	all.StringVar(&v.payloadFile, "payload", "", "take the records' text from the lines of this file")
	all.StringVar(&v.generate, "generate", "flights", "text of the records where there is no file: flights (JSON) or log (lines of an access log)")
	all.Float64Var(&v.warmSeconds, "warm", 2, "seconds of the same work before the measured window")
	all.Var(v.topicConfig, "topic-config", "KEY=VALUE set on topics that are made; may be repeated")
	all.IntVar(&v.connections, "connections", 64, "senders, each with a connection of its own")
	all.BoolVar(&v.oneConnection, "one-connection", false, "let all senders share one client, which batches")
	all.IntVar(&v.clients, "clients", 1, "producing clients")
	all.IntVar(&v.groups, "groups", 1, "consumer groups; each reads everything")
	all.IntVar(&v.partitions, "partitions", 1, "partitions of the topic")
	all.IntVar(&v.bytes, "bytes", 1024, "bytes of a record's value")
	all.IntVar(&v.records, "records", 1_000_000, "records in all; 0 is without limit")
	all.Float64Var(&v.seconds, "seconds", 5, "length of the measured window; 0 is without limit where records set one")
	all.IntVar(&v.rate, "rate", 5000, "records a second")
	all.StringVar(&v.codec, "codec", "none", "none, gzip, snappy, lz4 or zstd")
	all.IntVar(&v.topics, "topics", 10_000, "how many topics")
	all.IntVar(&v.each, "each", 10, "records to each topic, each time")
	all.IntVar(&v.batch, "batch", 1, "records in a batch")
	all.IntVar(&v.recordsEach, "records-each", 1000, "records of each topic")
	all.IntVar(&v.readings, "readings", 10, "how many of the topics are read, one after another")
	all.IntVar(&v.smallClients, "small-clients", 1000, "clients that send small records")
	all.IntVar(&v.smallRate, "small-rate", 10, "records a second of each small client")
	all.IntVar(&v.smallBytes, "small-bytes", 124, "bytes of a small client's records")
	all.Float64Var(&v.every, "every", 0, "seconds from one large record to the next; 0 is one after another")
	all.IntVar(&v.transactionMs, "transaction-ms", 100, "milliseconds of records in a transaction")
	all.IntVar(&v.keys, "keys", 10_000, "keys that are updated in turn")
	all.Float64Var(&v.settle, "settle", 30, "seconds after the updates in which next to nothing is written")
	own := flag.NewFlagSet("load "+s.name, flag.ExitOnError)
	for _, name := range slices.Concat(common, s.flags) {
		given := all.Lookup(name)
		if value, ok := s.defaults[name]; ok {
			given.DefValue = value
			if err := given.Value.Set(value); err != nil {
				panic(err)
			}
		}
		own.Var(given.Value, name, given.Usage)
	}
	return v, own
}

// check refuses numbers that no story can mean.
func (s *settings) check() error {
	for _, number := range []struct {
		name  string
		value int
	}{
		{"connections", s.connections}, {"clients", s.clients}, {"groups", s.groups}, {"partitions", s.partitions},
		{"bytes", s.bytes}, {"rate", s.rate}, {"topics", s.topics}, {"each", s.each}, {"batch", s.batch}, {"records-each", s.recordsEach},
		{"readings", s.readings}, {"small-clients", s.smallClients}, {"small-rate", s.smallRate}, {"small-bytes", s.smallBytes},
		{"transaction-ms", s.transactionMs}, {"keys", s.keys},
	} {
		if number.value < 1 {
			return fmt.Errorf("--%s is at least 1", number.name)
		}
	}
	if s.records < 0 || s.seconds < 0 || s.warmSeconds < 0 || s.every < 0 || s.settle < 0 {
		return errors.New("--records, --seconds, --warm, --every and --settle are not negative")
	}
	if !slices.Contains(codecs, s.codec) {
		return fmt.Errorf("--codec is one of %s", strings.Join(codecs, ", "))
	}
	return nil
}

// open prepares what costs time before anything is measured: the payloads, and the way to the broker.
func (s *settings) open() error {
	var err error
	if s.payloads, err = newPayloads(s.payloadFile, s.generate, s.bytes); err != nil {
		return err
	}
	protocol, address, found := strings.Cut(s.address, "://")
	switch {
	case !found:
		return usageError("--broker is kafka://HOST:PORT or nats://HOST:PORT")
	case protocol == "kafka":
		s.broker = &kafkaBroker{address: address, settings: s}
	case protocol == "nats":
		if s.partitions > 1 || s.codec != "none" || len(s.topicConfig) > 0 {
			return usageError("NATS has no --partitions, --codec and --topic-config")
		}
		s.broker = &natsBroker{address: s.address, bytes: s.bytes}
	default:
		return usageError("no client here speaks " + protocol)
	}
	if s.topic == "" {
		s.topic = fresh("load")
	}
	s.out = newReporter(os.Stdout, os.Stderr, s.broker.client())
	return nil
}

// fresh names what no earlier run has made.
func fresh(name string) string {
	return fmt.Sprintf("%s-%x", name, time.Now().UnixNano())
}

func (s *settings) window() time.Duration { return seconds(s.seconds) }
func (s *settings) warm() time.Duration   { return seconds(s.warmSeconds) }

// transaction is how long one stays open for records.
func (s *settings) transaction() time.Duration {
	return time.Duration(s.transactionMs) * time.Millisecond
}

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }

// keyValues are settings in the words of the broker.
type keyValues map[string]string

func (k keyValues) String() string { return "" }

func (k keyValues) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return errors.New("this wants KEY=VALUE")
	}
	k[key] = value
	return nil
}
