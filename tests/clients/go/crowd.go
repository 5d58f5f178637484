package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A crowd: each group has a topic of its own.
const (
	crowdGroups     = 500
	crowdMembers    = 4
	crowdPartitions = 10
	// Topics in one request.
	crowdTopicsAtOnce = 50
	// Clients that start or stop at the same time.
	crowdHands = 32
)

// crowdLimit is for a whole step of the crowd.
const crowdLimit = 120 * time.Second

// crowdMember is one of four in its group.
type crowdMember struct {
	client *kgo.Client
	over   context.CancelFunc
	done   chan struct{}
}

// crowdGroup is what the members of a group have read together.
type crowdGroup struct {
	topic, name string
	members     []*crowdMember
	mutex       sync.Mutex
	seen        map[string]bool
	doubled     int
}

// crowd is 500 groups of four members over 5,000 partitions: they come together, a member of each leaves at the same time, the broker dies
// and comes back, and every group reads all that was sent for it.
func crowd() {
	groups := make([]*crowdGroup, crowdGroups)
	for i := range groups {
		number := strconv.Itoa(i)
		groups[i] = &crowdGroup{topic: topicName("t" + number), name: topicName("g" + number), seen: map[string]bool{}}
	}
	makeTopics(groups)
	sent := 0
	step := func(what string, change func()) {
		start := time.Now()
		change()
		changed := time.Since(start)
		sent++
		sendToAll(groups, sent)
		waitForAll(groups, sent)
		fmt.Printf("crowd: %s after %.1f s, and read %.1f s later\n", what, changed.Seconds(), (time.Since(start) - changed).Seconds())
	}
	step("2,000 members came", func() {
		byHands(groups, func(g *crowdGroup) {
			for range crowdMembers {
				g.join()
			}
		})
	})
	step("one of each group left", func() { byHands(groups, func(g *crowdGroup) { g.leave() }) })
	step("the broker was killed", killBroker)
	step("one of each group came", func() { byHands(groups, func(g *crowdGroup) { g.join() }) })
	doubled := 0
	for _, g := range groups {
		doubled += g.doubled
	}
	fmt.Printf("crowd: %d records were read more than once\n", doubled)
	byHands(groups, func(g *crowdGroup) {
		for len(g.members) > 0 {
			g.leave()
		}
	})
}

func makeTopics(groups []*crowdGroup) {
	c := client()
	defer c.Close()
	adm := kadm.NewClient(c)
	for some := range slices.Chunk(groups, crowdTopicsAtOnce) {
		var names []string
		for _, g := range some {
			names = append(names, g.topic)
		}
		made, err := adm.CreateTopics(ctx, crowdPartitions, 1, nil, names...)
		must(err, "create topics")
		must(made.Error(), "create topics")
	}
}

// byHands does it for every group, for several at a time.
func byHands(groups []*crowdGroup, do func(*crowdGroup)) {
	var next atomic.Int64
	var all sync.WaitGroup
	failures := make(chan any, crowdHands)
	for range crowdHands {
		all.Add(1)
		go func() {
			defer all.Done()
			defer func() {
				if failure := recover(); failure != nil {
					failures <- failure
				}
			}()
			for i := next.Add(1) - 1; i < int64(len(groups)); i = next.Add(1) - 1 {
				do(groups[i])
			}
		}()
	}
	all.Wait()
	select {
	case failure := <-failures:
		panic(failure)
	default:
	}
}

func (g *crowdGroup) join() {
	until, over := context.WithCancel(ctx)
	m := &crowdMember{
		client: client(
			kgo.ConsumerGroup(g.name),
			kgo.ConsumeTopics(g.topic),
			kgo.Balancers(kgo.RangeBalancer()),
			kgo.SessionTimeout(45*time.Second),
			kgo.RebalanceTimeout(60*time.Second),
			kgo.DisableAutoCommit(),
			kgo.FetchMaxWait(2*time.Second),
		),
		over: over,
		done: make(chan struct{}),
	}
	g.members = append(g.members, m)
	go g.read(m, until)
}

// read goes on until the member leaves. A commit in the middle of a rebalance may be refused: then those records come again.
func (g *crowdGroup) read(m *crowdMember, until context.Context) {
	defer close(m.done)
	for until.Err() == nil {
		records := m.client.PollRecords(until, 100).Records()
		g.mutex.Lock()
		for _, r := range records {
			place := fmt.Sprintf("%d/%s", r.Partition, r.Value)
			if g.seen[place] {
				g.doubled++
			}
			g.seen[place] = true
		}
		g.mutex.Unlock()
		if len(records) > 0 {
			_ = m.client.CommitRecords(ctx, records...)
		}
	}
}

func (g *crowdGroup) leave() {
	last := len(g.members) - 1
	m := g.members[last]
	g.members = g.members[:last]
	m.over()
	<-m.done
	m.client.Close()
}

// sendToAll sends one record to every partition.
func sendToAll(groups []*crowdGroup, round int) {
	// The topics are new: not every broker knows them at once.
	s := newSender(kgo.UnknownTopicRetries(-1))
	for _, g := range groups {
		for p := range int32(crowdPartitions) {
			s.send(number(g.topic, p, round))
		}
	}
	s.confirmed()
}

// waitForAll waits until every group has read the records of all rounds.
func waitForAll(groups []*crowdGroup, rounds int) {
	end := time.Now().Add(crowdLimit)
	for _, g := range groups {
		for {
			g.mutex.Lock()
			count := len(g.seen)
			g.mutex.Unlock()
			if count == rounds*crowdPartitions {
				break
			}
			check(time.Now().Before(end), "group %s has read %d of %d records", g.name, count, rounds*crowdPartitions)
			time.Sleep(10 * time.Millisecond)
		}
	}
}
