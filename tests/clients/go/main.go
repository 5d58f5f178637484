// The stories of tests/src/suites/clients.rs, transactions.rs, assigned.rs and logins.rs with franz-go, and the load of the kill -9 loop.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

var (
	bootstrap = os.Getenv("BOOTSTRAP")
	prefix    = os.Getenv("PREFIX")
	stdin     = bufio.NewReader(os.Stdin)
	ctx       = context.Background()
)

// Past this a wait has failed. The harness has limits of its own; this one names what was waited for.
const waitLimit = 40 * time.Second

var stories = map[string]func(){
	"large-record":       largeRecord,
	"many-small":         manySmall,
	"acks-0":             func() { acknowledged("0") },
	"acks-1":             func() { acknowledged("1") },
	"acks-all":           func() { acknowledged("all") },
	"idempotent":         idempotent,
	"offsets-for-times":  offsetsForTimes,
	"seek":               seek,
	"auto-create":        autoCreate,
	"admin":              admin,
	"group-resume":       groupResume,
	"rebalance":          func() { shareAndLeave(false) },
	"cooperative":        func() { shareAndLeave(true) },
	"member-dies":        memberDies,
	"static-member":      staticMember,
	"restart-idempotent": restartIdempotent,
	"restart-plain":      restartPlain,
	"restart-consume":    restartConsume,
	// Of tests/src/suites/crowd.rs.
	"crowd": crowd,
	// Of tests/src/suites/quotas.rs.
	"quota": quota,
	// Of tests/src/suites/transactions.rs.
	"commit-and-abort":  commitAndAbort,
	"open-hides":        openHides,
	"offsets":           cursorsInTransactions,
	"fenced":            fenced,
	"time-is-up":        timeIsUp,
	"many-ids":          manyIds,
	"copy-over-crashes": copyOverCrashes,
	// Not stories: the member that member-dies kills, the two of the kill -9 loop, and the producer under a tracer.
	"member":     member,
	"kill9":      kill9,
	"kill9-copy": kill9Copy,
	"one-by-one": oneByOne,
}

func main() {
	defer func() {
		if failure := recover(); failure != nil {
			fmt.Println(failure)
			os.Exit(1)
		}
	}()
	name := os.Args[1]
	if name == "logins" {
		logins(os.Args[2])
		return
	}
	if name == "assigned" {
		assigned(os.Args[2])
		return
	}
	if codec, is := strings.CutPrefix(name, "roundtrip-"); is {
		roundtrip(codec)
		return
	}
	story, known := stories[name]
	check(known, "no story %s", name)
	story()
}

// topicName is a topic or group name of this case's own.
func topicName(part string) string {
	return prefix + part
}

func check(condition bool, what string, args ...any) {
	if !condition {
		panic(fmt.Sprintf(what, args...))
	}
}

func must(err error, what string) {
	if err != nil {
		panic(fmt.Sprintf("%s: %v", what, err))
	}
}

// waitUntil checks a condition until it holds.
func waitUntil(what string, condition func() bool) {
	end := time.Now().Add(waitLimit)
	for !condition() {
		check(time.Now().Before(end), "timed out waiting until %s", what)
		time.Sleep(10 * time.Millisecond)
	}
}

// killBroker has the broker killed with -9 and started again; it returns when the broker answers.
func killBroker() {
	wish("kill9")
}

// wish asks the harness for a service and returns when it is done.
func wish(service string) {
	fmt.Println("@" + service)
	answer, err := stdin.ReadString('\n')
	must(err, "the harness's answer")
	check(strings.TrimSpace(answer) == "ok", "the harness answered %q", answer)
}
