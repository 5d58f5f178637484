// Stories that measure a broker from outside, with a public client: nothing here passes or fails, it prints figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"
)

type story struct {
	name string
	what string
	run  func(context.Context, *setup) error
}

// setup is what every story needs.
type setup struct {
	broker string
	pid    int
	topics int
	each   int
	bytes  int
	length time.Duration
	every  time.Duration
}

var stories = []story{
	{"cold-topics", "records to many topics that were just made, and again when they are warm", coldTopics},
	{"big-beside", "one client's confirm latency, alone and beside another that sends large records", bigBeside},
	{"slow-consumer", "a tail reader's latency, alone and beside a reader that catches up from the start", slowConsumer},
	{"backlog", "the broker's memory while a backlog grows that nobody reads", backlog},
}

func main() {
	s := &setup{}
	flag.StringVar(&s.broker, "broker", "127.0.0.1:9092", "HOST:PORT of the broker")
	flag.IntVar(&s.pid, "pid", 0, "the broker's process: its CPU time and memory are printed too")
	flag.IntVar(&s.topics, "topics", 10000, "how many topics")
	flag.IntVar(&s.each, "each", 10, "records to each topic and pass")
	flag.IntVar(&s.bytes, "bytes", 1024, "bytes of a record's value")
	flag.DurationVar(&s.length, "length", 10*time.Second, "how long each part of a story runs")
	flag.DurationVar(&s.every, "every", 0, "the pace of the large records: 0 is one after another")
	flag.Usage = usage
	flag.Parse()
	for _, story := range stories {
		if story.name == flag.Arg(0) {
			if err := story.run(context.Background(), s); err != nil {
				fmt.Fprintln(os.Stderr, story.name+":", err)
				os.Exit(1)
			}
			return
		}
	}
	usage()
	os.Exit(2)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: stories [flags] STORY")
	for _, story := range stories {
		fmt.Fprintf(os.Stderr, "  %-14s %s\n", story.name, story.what)
	}
	flag.PrintDefaults()
}

// latencies are durations from the moment a record was due, so that a stall counts for every record it held up.
type latencies []time.Duration

func (l latencies) String() string {
	if len(l) == 0 {
		return "no samples"
	}
	sort.Slice(l, func(i, j int) bool { return l[i] < l[j] })
	at := func(share float64) float64 {
		return l[min(len(l)-1, int(share*float64(len(l))))].Seconds() * 1000
	}
	return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, most %.2f ms (%d samples)",
		at(0.5), at(0.99), at(0.999), at(1), len(l))
}
