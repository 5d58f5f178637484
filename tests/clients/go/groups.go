package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// groupMember is a member in goroutines: reads, remembers, commits.
type groupMember struct {
	who        string
	owners     *owners
	client     *kgo.Client
	mutex      sync.Mutex
	assigned   map[int32]bool
	revoked    int
	rebalances int
	seen       map[string]bool
	stopping   atomic.Bool
	done       chan struct{}
}

func groupOptions(group, name string, options ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(name),
		kgo.SessionTimeout(6 * time.Second),
		kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.RangeBalancer()),
	}, options...)
}

func join(group, name string, options ...kgo.Opt) *groupMember {
	return joinAs("", newOwners(), group, name, options...)
}

func joinAs(who string, owners *owners, group, name string, options ...kgo.Opt) *groupMember {
	m := &groupMember{
		who: who, owners: owners, assigned: map[int32]bool{}, seen: map[string]bool{}, done: make(chan struct{}),
	}
	all := append(options,
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.gained(p[name]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.gave(p[name]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.gave(p[name]) }),
	)
	m.client = client(groupOptions(group, name, all...)...)
	go m.run()
	return m
}

func (m *groupMember) gained(partitions []int32) {
	m.owners.take(partitions, m.who)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.rebalances++
	for _, p := range partitions {
		m.assigned[p] = true
	}
}

func (m *groupMember) gave(partitions []int32) {
	m.owners.give(partitions, m.who)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.rebalances++
	m.revoked += len(partitions)
	for _, p := range partitions {
		delete(m.assigned, p)
	}
}

func (m *groupMember) run() {
	defer close(m.done)
	for !m.stopping.Load() {
		records := poll(m.client)
		m.mutex.Lock()
		for _, r := range records {
			m.seen[string(r.Value)] = true
		}
		m.mutex.Unlock()
		if len(records) > 0 {
			// A rebalance may be under way: then nothing is committed, and nothing is lost by that.
			if err := m.client.CommitRecords(ctx, records...); err != nil {
				fmt.Println("not committed:", err)
			}
		}
	}
}

// leave ends the member; without a group leave request where it is a static one.
func (m *groupMember) leave() {
	m.stopping.Store(true)
	<-m.done
	m.client.Close()
}

func (m *groupMember) has(partitions int) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.assigned) == partitions
}

func (m *groupMember) partitions() map[int32]bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	copied := map[int32]bool{}
	for p := range m.assigned {
		copied[p] = true
	}
	return copied
}

func (m *groupMember) count() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.seen)
}

func (m *groupMember) saw(value string) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.seen[value]
}

// stream produces a numbered record every few milliseconds until it is stopped.
type stream struct {
	sender   *sender
	stopping atomic.Bool
	done     chan struct{}
}

func startStream(name string, partitions int32) *stream {
	s := &stream{sender: newSender(), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for n := 0; !s.stopping.Load(); n++ {
			s.sender.send(number(name, int32(n)%partitions, n))
			time.Sleep(3 * time.Millisecond)
		}
	}()
	return s
}

func (s *stream) stop() []*kgo.Record {
	s.stopping.Store(true)
	<-s.done
	return s.sender.confirmed()
}

func waitUntilAllAreSeen(sent []*kgo.Record, saw ...func(string) bool) {
	waitUntil("all records are read", func() bool {
		for _, record := range sent {
			seen := false
			for _, by := range saw {
				seen = seen || by(string(record.Value))
			}
			if !seen {
				return false
			}
		}
		return true
	})
}

func groupResume() {
	name := topic("resume", 1)
	group := topicName("group")
	sendNumbers(name, 1, 1_000)
	var seen []*kgo.Record
	for _, until := range []int{400, 1_000} {
		c := client(groupOptions(group, name)...)
		waitUntil(fmt.Sprint(until, " records are read"), func() bool {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			seen = append(seen, c.PollRecords(short, 100).Records()...)
			return len(seen) >= until
		})
		must(c.CommitRecords(ctx, seen...), "commit")
		committed, err := kadm.NewClient(c).FetchOffsets(ctx, group)
		must(err, "fetch offsets")
		at, _ := committed.Lookup(name, 0)
		check(at.At == int64(len(seen)), "committed %d after %d records", at.At, len(seen))
		c.Close()
	}
	checkNumbers(seen, 1, 1_000)
}

// shareAndLeave: a second member joins and leaves; cooperatively, the first one gives up no more than it must.
func shareAndLeave(cooperative bool) {
	name := topic("rebalance", 4)
	group := topicName("group")
	var options []kgo.Opt
	if cooperative {
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	records := startStream(name, 4)
	first := join(group, name, options...)
	waitUntil("the first member has all partitions", func() bool { return first.has(4) })
	second := join(group, name, options...)
	waitUntil("the members share the partitions", func() bool { return first.has(2) && second.has(2) })
	marks := [2]int{first.count(), second.count()}
	waitUntil("both members read", func() bool { return first.count() > marks[0] && second.count() > marks[1] })
	second.leave()
	waitUntil("the first member has all partitions back", func() bool { return first.has(4) })
	if cooperative {
		check(first.revoked == 2, "the first member had to give up %d partitions", first.revoked)
	}
	waitUntilAllAreSeen(records.stop(), first.saw, second.saw)
	first.leave()
}

func memberDies() {
	name := topic("dies", 4)
	group := topicName("group")
	records := startStream(name, 4)
	first := join(group, name)
	waitUntil("the first member has all partitions", func() bool { return first.has(4) })
	second := exec.Command(os.Args[0], "member", group, name)
	output, err := second.StdoutPipe()
	must(err, "a pipe")
	must(second.Start(), "the second member")
	var mutex sync.Mutex
	elsewhere := map[string]bool{}
	saw := func(value string) bool {
		mutex.Lock()
		defer mutex.Unlock()
		return elsewhere[value]
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if value, whole := strings.CutSuffix(lines.Text(), "."); whole {
				mutex.Lock()
				elsewhere[value] = true
				mutex.Unlock()
			}
		}
	}()
	waitUntil("the second member reads", func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		return len(elsewhere) > 0
	})
	must(second.Process.Kill(), "kill the second member")
	<-finished
	_ = second.Wait()
	waitUntil("the first member took over", func() bool { return first.has(4) })
	waitUntilAllAreSeen(records.stop(), first.saw, saw)
	first.leave()
}

// member says each record before it commits it, until it is killed.
func member() {
	c := client(groupOptions(os.Args[2], os.Args[3])...)
	for {
		records := poll(c)
		for _, r := range records {
			fmt.Printf("%s.\n", r.Value)
		}
		if len(records) > 0 {
			must(c.CommitRecords(ctx, records...), "commit")
		}
	}
}

func staticMember() {
	name := topic("static", 4)
	group := topicName("group")
	long := kgo.SessionTimeout(30 * time.Second)
	records := startStream(name, 4)
	first := join(group, name, kgo.InstanceID("one"), long)
	second := join(group, name, kgo.InstanceID("two"), long)
	waitUntil("the members share the partitions", func() bool { return first.has(2) && second.has(2) })
	waitUntil("the second member reads", func() bool { return second.count() > 0 })
	had, rebalances := second.partitions(), first.rebalances
	second.leave()
	again := join(group, name, kgo.InstanceID("two"), long)
	waitUntil("the returned member reads", func() bool { return again.has(2) && again.count() > 0 })
	for p := range again.partitions() {
		check(had[p], "the returned member has partition %d, which it did not have", p)
	}
	check(first.rebalances == rebalances, "the first member saw %d rebalances more", first.rebalances-rebalances)
	waitUntilAllAreSeen(records.stop(), first.saw, second.saw, again.saw)
	again.leave()
	first.leave()
}
