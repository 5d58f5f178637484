package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

const (
	// At a higher rate records are due in bundles, because waking up for each would cost more than sending it.
	paceSingleMax = 10_000
	paceBundle    = 100 * time.Microsecond
)

func (p pace) due(i int) time.Duration {
	after := p.after(i)
	if p.rate > paceSingleMax {
		after -= after % paceBundle
	}
	return p.start + after
}

// end of the time in which so many records are due.
func (p pace) end(records int) time.Duration { return p.start + p.after(records) }

func (p pace) after(i int) time.Duration {
	// Whole seconds apart, so that nothing overflows in a long run.
	return time.Duration(i/p.rate)*time.Second + time.Duration(i%p.rate)*time.Second/time.Duration(p.rate)
}

// An alarm wakes one goroutine to some microseconds. The runtime's own timers are exact to a millisecond, because that
// is how it waits for its descriptors; this one is a descriptor. A sleep in the kernel is exact too, but the runtime
// looks every 20 us whether such a call has returned, and spends more on that than all else here.
type alarm struct {
	file *os.File
	raw  syscall.RawConn
}

func newAlarm() (*alarm, error) {
	descriptor, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	file := os.NewFile(uintptr(descriptor), "timerfd")
	raw, err := file.SyscallConn()
	return &alarm{file, raw}, err
}

// until returns when this is due, or at an interrupt.
func (a *alarm) until(ctx context.Context, due time.Duration) {
	var fired [8]byte
	for ctx.Err() == nil {
		left := due - now()
		if left <= 0 {
			return
		}
		// An interrupt is seen this often.
		left = min(left, 100*time.Millisecond)
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}
		var failed error
		err := a.raw.Control(func(descriptor uintptr) { failed = unix.TimerfdSettime(int(descriptor), 0, &spec, nil) })
		if err == nil {
			err = failed
		}
		if err == nil {
			_, err = a.file.Read(fired[:])
		}
		if err != nil {
			panic(err) // The descriptor is this alarm's own, and the time is positive.
		}
	}
}

func (a *alarm) close() { _ = a.file.Close() }
