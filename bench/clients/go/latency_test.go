package main

import (
	"bytes"
	"context"
	"testing"
	"time"
)

func TestAStampIsReadAsItWasWritten(t *testing.T) {
	for _, due := range []time.Duration{0, 1, 1_234_567_890, 1000 * time.Hour} {
		value := bytes.Repeat([]byte("x"), 20)
		stamp(value, due)
		if got, err := unstamp(value); err != nil || got != due {
			t.Errorf("%d came back as %d, %v", due, got, err)
		}
		if !bytes.HasSuffix(value, []byte("xxxx")) {
			t.Errorf("the stamp of %d is longer than %d bytes", due, stampBytes)
		}
	}
}

func TestWhatBearsNoStampIsAnError(t *testing.T) {
	for _, value := range []string{"", "0123", "{\"year\":2013,\"month\"}"} {
		if _, err := unstamp([]byte(value)); err == nil {
			t.Errorf("%q has a stamp", value)
		}
	}
}

func TestOnlyWhatWasDueInTheWindowIsCounted(t *testing.T) {
	a := &arrivals{since: 10, until: 20, found: newLatencies()}
	for _, due := range []time.Duration{9, 10, 19, 20} {
		value := make([]byte, stampBytes)
		stamp(value, due)
		a.see(value, 1000)
	}
	a.see([]byte("without a stamp, though long enough"), 1000)
	if a.count.Load() != 2 || a.found.line().Count != 2 || a.faults.Load() != 1 {
		t.Errorf("%d counted, %d timed, %d faults", a.count.Load(), a.found.line().Count, a.faults.Load())
	}
}

func TestAPaceNeitherDriftsNorCatchesUp(t *testing.T) {
	p := pace{start: time.Second, rate: 3}
	for i, want := range map[int]time.Duration{0: time.Second, 1: time.Second + time.Second/3, 3: 2 * time.Second, 3_000_000: 1_000_001 * time.Second} {
		if got := p.due(i); got != want {
			t.Errorf("record %d is due at %v, not %v", i, got, want)
		}
	}
}

func TestAHighPaceIsDueInBundlesOfItsRate(t *testing.T) {
	p := pace{start: 17, rate: 100_000}
	first := map[time.Duration]int{}
	for i := range 100_000 {
		due := p.due(i)
		if due >= p.end(100_000) || (due-p.start)%paceBundle != 0 {
			t.Fatalf("record %d is due at %v", i, due)
		}
		first[due]++
	}
	for due, count := range first {
		if count != 10 {
			t.Fatalf("%d records are due at %v", count, due)
		}
	}
}

func TestAnAlarmNeverRingsBeforeTheTimeIsDue(t *testing.T) {
	alarm, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer alarm.close()
	for range 20 {
		due := now() + 300*time.Microsecond
		alarm.until(context.Background(), due)
		if now() < due {
			t.Fatal("woken too early")
		}
	}
}

func TestAnAlarmIsOverWhenTheProgramIsInterrupted(t *testing.T) {
	alarm, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer alarm.close()
	ctx, stop := context.WithCancel(context.Background())
	stop()
	alarm.until(ctx, now()+time.Hour)
}
