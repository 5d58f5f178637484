package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

func close100th(got, want float64) bool { return math.Abs(got-want) <= want/100 }

func TestPercentilesAreInMicrosecondsAndWithinAHundredth(t *testing.T) {
	found := newLatencies()
	for i := 1; i <= 10_000; i++ {
		found.add(time.Duration(i) * 10 * time.Microsecond)
	}
	line := found.line()
	for _, one := range []struct {
		name      string
		got, want float64
	}{
		{"mean", line.Mean, 50_005}, {"p50", line.P50, 50_000}, {"p90", line.P90, 90_000}, {"p99", line.P99, 99_000}, {"p99.9", line.P999, 99_900},
	} {
		if !close100th(one.got, one.want) {
			t.Errorf("%s is %f, not %f", one.name, one.got, one.want)
		}
	}
	if line.Max != 100_000 || line.Count != 10_000 {
		t.Errorf("most %f of %d", line.Max, line.Count)
	}
}

func TestNoPercentileIsAboveTheMost(t *testing.T) {
	found := newLatencies()
	found.add(12_345_678 * time.Nanosecond)
	line := found.line()
	if line.P999 > line.Max || line.Max != 12_345.7 {
		t.Errorf("p99.9 %f, most %f", line.P999, line.Max)
	}
}

func TestWhatLiesBeyondTheHistogramIsCountedAtItsEnd(t *testing.T) {
	found := newLatencies()
	found.add(-time.Second)
	found.add(100 * time.Hour)
	if line := found.line(); line.Count != 2 || line.Max != latencyMax.Seconds()*1e6 {
		t.Errorf("%+v", line)
	}
}

func TestMergedHistogramsHoldBoth(t *testing.T) {
	one, two := newLatencies(), newLatencies()
	one.add(time.Millisecond)
	two.add(3 * time.Millisecond)
	one.merge(two)
	if line := one.line(); line.Count != 2 || line.Max != 3000 {
		t.Errorf("%+v", line)
	}
}

// printed is what a program reads of one window.
func printed(t *testing.T, found *latencies, extra map[string]any) (begin, result map[string]any) {
	t.Helper()
	var lines bytes.Buffer
	window := newReporter(&lines, io.Discard, "some client v1").begin("warm")
	window.end()
	window.report(10, 1240, 1, found, extra)
	text := strings.Split(strings.TrimSuffix(lines.String(), "\n"), "\n")
	if len(text) != 2 {
		t.Fatalf("%d lines: %s", len(text), lines.String())
	}
	for i, to := range []*map[string]any{&begin, &result} {
		if err := json.Unmarshal([]byte(text[i]), to); err != nil {
			t.Fatalf("%s: %v", text[i], err)
		}
	}
	return begin, result
}

func TestAWindowPrintsItsBeginningAndItsMeasure(t *testing.T) {
	found := newLatencies()
	found.add(time.Millisecond)
	begin, result := printed(t, found, map[string]any{"groups": 3})
	if len(begin) != 1 || begin["begin"] != "warm" {
		t.Errorf("%v", begin)
	}
	for key, want := range map[string]any{"measure": "warm", "records": 10.0, "payload_bytes": 1240.0, "errors": 1.0, "client": "some client v1", "groups": 3.0} {
		if result[key] != want {
			t.Errorf("%s is %v, not %v", key, result[key], want)
		}
	}
	for _, key := range []string{"seconds", "client_cpu_s"} {
		if _, ok := result[key].(float64); !ok {
			t.Errorf("%s is %v", key, result[key])
		}
	}
	line, ok := result["latency_us"].(map[string]any)
	if !ok {
		t.Fatalf("%v", result["latency_us"])
	}
	for _, key := range []string{"count", "mean", "p50", "p90", "p99", "p999", "max"} {
		if _, ok := line[key].(float64); !ok {
			t.Errorf("latency_us.%s is %v", key, line[key])
		}
	}
}

func TestWhereNothingIsTimedThereIsNoLatency(t *testing.T) {
	if _, result := printed(t, nil, nil); result["latency_us"] != nil {
		t.Errorf("%v", result["latency_us"])
	}
}

func TestTheWorstSecondIsTold(t *testing.T) {
	seconds := newPerSecond(0)
	for second, count := range []int{5, 2, 4, 3, 9} {
		for range count {
			seconds.add(time.Duration(second)*time.Second, time.Duration(count)*time.Millisecond)
		}
	}
	told := map[string]any{}
	seconds.tell(told)
	// The fifth has not ended.
	if told["worst_second_rate"] != int64(2) || told["median_second_rate"] != int64(4) || told["worst_second_p99_us"] != 5000.0 {
		t.Errorf("%v", told)
	}
}

func TestASecondWithoutRecordsIsTheWorst(t *testing.T) {
	seconds := newPerSecond(0)
	for _, at := range []time.Duration{0, 1, 3, 4} {
		seconds.add(at*time.Second, time.Millisecond)
	}
	told := map[string]any{}
	seconds.tell(told)
	if told["worst_second_rate"] != int64(0) {
		t.Errorf("%v", told)
	}
}
