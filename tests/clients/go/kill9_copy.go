package main

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copying is a copier that never stops by itself and writes down which copies were answered as committed.
type copying struct {
	copier    *copier
	stopping  chan struct{}
	done      chan struct{}
	mutex     sync.Mutex
	confirmed [kill9Partitions]map[int64]string
	commits   int
}

// kill9Copy serves the harness beside kill9, whose topic it copies: "confirmed" answers with the number of transactions that were
// answered as committed, "verify" holds what readers of committed records see against them, "stop" ends it and verifies a last time. A
// copy that is missing, or there twice, is a transaction that was not whole.
func kill9Copy() {
	to := topic("kill9-copy", kill9Partitions)
	c := startCopying(topicName("kill9"), to)
	verifier := newVerifier(to, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	for {
		line, err := stdin.ReadString('\n')
		must(err, "the harness's wish")
		switch strings.TrimSpace(line) {
		case "confirmed":
			fmt.Printf("answer %d\n", c.count())
		case "verify":
			verifier.verify(c.snapshot())
			fmt.Printf("answer %d\n", verifier.total())
		case "stop":
			close(c.stopping)
			<-c.done
			verifier.verify(c.snapshot())
			fmt.Printf("answer %d\n", verifier.total())
			os.Exit(0)
		default:
			panic("an unknown wish: " + line)
		}
	}
}

func startCopying(from, to string) *copying {
	c := &copying{
		copier:   openCopier(from, to, topicName("kill9-copiers")),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	c.snapshot()
	go c.run()
	return c
}

func (c *copying) run() {
	defer close(c.done)
	for {
		select {
		case <-c.stopping:
			return
		default:
			c.note(c.copier.copySome(func() {}))
		}
	}
}

func (c *copying) note(copies []*kgo.Record) {
	if copies == nil {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, r := range copies {
		c.confirmed[r.Partition][r.Offset] = string(r.Value)
	}
	c.commits++
}

func (c *copying) count() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.commits
}

// snapshot hands over the copies since the last one.
func (c *copying) snapshot() [kill9Partitions]map[int64]string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	taken := c.confirmed
	for p := range c.confirmed {
		c.confirmed[p] = map[int64]string{}
	}
	return taken
}
