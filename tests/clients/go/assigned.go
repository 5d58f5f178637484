package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The stories of tests/src/suites/assigned.rs: members of groups whose partitions the broker assigns.
var assignedStories = map[string]func(){
	"come-and-go":  comeAndGo,
	"dies":         nativeDies,
	"over-crashes": overCrashes,
	// Not a story: the member that dies kills.
	"victim": victim,
}

func assigned(name string) {
	story, known := assignedStories[name]
	check(known, "no story %s of assigned groups", name)
	story()
}

// owners is who has a partition by what the callbacks were told; shared by all members of a story.
type owners struct {
	mutex sync.Mutex
	of    map[int32]string
	twice []string
}

func newOwners() *owners {
	return &owners{of: map[int32]string{}}
}

func (o *owners) take(partitions []int32, member string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for _, p := range partitions {
		if other, has := o.of[p]; has && other != member {
			o.twice = append(o.twice, fmt.Sprintf("%d of %s and %s", p, other, member))
			continue
		}
		o.of[p] = member
	}
}

func (o *owners) give(partitions []int32, member string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for _, p := range partitions {
		if o.of[p] == member {
			delete(o.of, p)
		}
	}
}

func (o *owners) check() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	check(len(o.twice) == 0, "partitions with two owners: %v", o.twice)
}

// joinNative joins by the newer protocol. With another balancer than these two the library would fall back to the older one, and
// say nothing.
func joinNative(who string, owners *owners, name string) *groupMember {
	native := []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())}
	return joinAs(who, owners, topicName("group"), name, native...)
}

// isShared tells whether each member has at least so many partitions, and all of them together each one once.
func isShared(partitions, least int, members ...*groupMember) bool {
	all, count := map[int32]bool{}, 0
	for _, m := range members {
		has := m.partitions()
		if len(has) < least {
			return false
		}
		count += len(has)
		for p := range has {
			all[p] = true
		}
	}
	return count == partitions && len(all) == partitions
}

func settled(partitions, least int, members ...*groupMember) {
	waitUntil(fmt.Sprintf("%d partitions are shared by %d", partitions, len(members)), func() bool {
		return isShared(partitions, least, members...)
	})
}

func allSaw(members []*groupMember) []func(string) bool {
	var saw []func(string) bool
	for _, m := range members {
		saw = append(saw, m.saw)
	}
	return saw
}

func comeAndGo() {
	name, owners := topic("t", 8), newOwners()
	var ever []*groupMember
	records := startStream(name, 8)
	for _, who := range []string{"a", "b", "c", "d"} {
		ever = append(ever, joinNative(who, owners, name))
		settled(8, 8/len(ever), ever...)
	}
	isNative()
	ever[0].leave()
	settled(8, 2, ever[1:]...)
	ever[2].leave()
	settled(8, 4, ever[1], ever[3])
	waitUntilAllAreSeen(records.stop(), allSaw(ever)...)
	ever[1].leave()
	ever[3].leave()
	owners.check()
}

// isNative asks the broker which protocol the group of the story has.
func isNative() {
	c := client()
	defer c.Close()
	group := topicName("group")
	described, err := kadm.NewClient(c).DescribeConsumerGroups(ctx, group)
	must(err, "describe the group")
	must(described[group].Err, "describe the group")
	check(len(described[group].Members) > 0, "the group has no members by the newer protocol")
}

func nativeDies() {
	name, owners := topic("t", 4), newOwners()
	left := joinNative("left", owners, name)
	dying := exec.Command(os.Args[0], "assigned", "victim", name)
	must(dying.Start(), "the victim")
	waitUntil("the victim has its half", func() bool { return left.has(2) })
	time.Sleep(2 * time.Second)
	must(dying.Process.Kill(), "kill the victim")
	_ = dying.Wait()
	time.Sleep(20 * time.Second)
	check(left.has(2), "it has %d partitions while the victim's session lasts", len(left.partitions()))
	waitUntil("all partitions are those of who is left", func() bool { return left.has(4) })
	left.leave()
	owners.check()
}

// victim is a member until it is killed.
func victim() {
	<-joinNative("victim", newOwners(), os.Args[3]).done
}

func overCrashes() {
	name, owners := topic("t", 6), newOwners()
	var members []*groupMember
	for _, who := range []string{"a", "b", "c"} {
		members = append(members, joinNative(who, owners, name))
	}
	settled(6, 2, members...)
	records := startStream(name, 6)
	had := shares(members)
	killBroker()
	// Longer than a heartbeat: who were to give back would have done it by now.
	time.Sleep(8 * time.Second)
	check(fmt.Sprint(shares(members)) == fmt.Sprint(had), "after a crash members have %v instead of %v", shares(members), had)
	members = append(members, joinNative("d", owners, name))
	killBroker()
	settled(6, 1, members...)
	waitUntilAllAreSeen(records.stop(), allSaw(members)...)
	for _, m := range members {
		m.leave()
	}
	owners.check()
}

// shares is what each has. A map is printed in the order of its keys.
func shares(members []*groupMember) []map[int32]bool {
	var all []map[int32]bool
	for _, m := range members {
		all = append(all, m.partitions())
	}
	return all
}
