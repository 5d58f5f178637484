package main

import (
	"context"
	"syscall"
	"time"
	"unsafe"
)

// epoch is where this process counts time from, on a clock that is never set.
var epoch = time.Now()

// now is the time since the epoch.
func now() time.Duration { return time.Since(epoch) }

// A pace says when each record is due. What is late does not move what follows.
type pace struct {
	start time.Duration
	rate  int
}

func (p pace) due(i int) time.Duration {
	// Whole seconds apart, so that nothing overflows in a long run.
	return p.start + time.Duration(i/p.rate)*time.Second + time.Duration(i%p.rate)*time.Second/time.Duration(p.rate)
}

const prSetTimerSlack = 29

// sleepUntil is exact to some microseconds, where the runtime's own timers are to a millisecond.
func sleepUntil(ctx context.Context, due time.Duration) {
	for ctx.Err() == nil {
		left := due - now()
		if left <= 0 {
			return
		}
		if left > 100*time.Millisecond {
			time.Sleep(left - 50*time.Millisecond)
			continue
		}
		// The kernel adds 50 us to the sleep of a thread that has not asked otherwise; which thread this is, the runtime decides.
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
		rest := syscall.NsecToTimespec(int64(left))
		_, _, _ = syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&rest)), 0, 0)
	}
}
