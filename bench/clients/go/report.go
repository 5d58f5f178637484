package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	latencyDigits = 3
	// What takes longer is counted as this long.
	latencyMax = 10 * time.Minute
)

// latencies is a histogram of durations that many goroutines may add to.
type latencies struct {
	mutex sync.Mutex
	found *hdrhistogram.Histogram
	most  time.Duration
}

func newLatencies() *latencies {
	return &latencies{found: hdrhistogram.New(int64(time.Microsecond), int64(latencyMax), latencyDigits)}
}

func (l *latencies) add(took time.Duration) {
	took = min(max(took, 0), latencyMax)
	l.mutex.Lock()
	// Within its bounds the histogram takes everything.
	_ = l.found.RecordValue(int64(took))
	l.most = max(l.most, took)
	l.mutex.Unlock()
}

// merge adds what another has found.
func (l *latencies) merge(other *latencies) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	other.mutex.Lock()
	defer other.mutex.Unlock()
	l.found.Merge(other.found)
	l.most = max(l.most, other.most)
}

// perSecond tells the seconds of a window apart: how many came in each, and how late.
type perSecond struct {
	mutex sync.Mutex
	start time.Duration
	at    int64
	// Of the second that runs.
	current *latencies
	rates   []int64
	p99     []float64
}

// So few seconds say nothing about the worst of them.
const perSecondMin = 3

func newPerSecond(start time.Duration) *perSecond {
	return &perSecond{start: start, current: newLatencies()}
}

func (p *perSecond) add(arrived, took time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for second := int64((arrived - p.start) / time.Second); p.at < second; p.at++ {
		line := p.current.line()
		p.rates = append(p.rates, line.Count)
		p.p99 = append(p.p99, line.P99)
		p.current.found.Reset()
		p.current.most = 0
	}
	p.current.add(took)
}

// tell adds the worst and the median of the whole seconds.
func (p *perSecond) tell(extra map[string]any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.rates) < perSecondMin {
		return
	}
	extra["worst_second_rate"] = slices.Min(p.rates)
	extra["worst_second_p99_us"] = slices.Max(p.p99)
	sorted := slices.Sorted(slices.Values(p.rates))
	extra["median_second_rate"] = sorted[len(sorted)/2]
}

// latencyLine is a histogram in the words of the output, in microseconds.
type latencyLine struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

func (l *latencies) line() *latencyLine {
	if l == nil {
		return nil
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	micros := func(nanos float64) float64 { return float64(int64(nanos/100+0.5)) / 10 }
	at := func(percent float64) float64 {
		return micros(min(float64(l.found.ValueAtPercentile(percent)), float64(l.most)))
	}
	return &latencyLine{
		Count: l.found.TotalCount(), Mean: micros(l.found.Mean()),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: micros(float64(l.most)),
	}
}

// measure is the result of one window.
type measure struct {
	Name         string       `json:"measure"`
	Records      int          `json:"records"`
	PayloadBytes int          `json:"payload_bytes"`
	Errors       int          `json:"errors"`
	Seconds      float64      `json:"seconds"`
	ClientCPU    float64      `json:"client_cpu_s"`
	Latency      *latencyLine `json:"latency_us,omitempty"`
	Client       string       `json:"client"`
	// What only some stories know.
	Extra map[string]any `json:"-"`
}

// MarshalJSON puts the extra keys beside the others.
func (m measure) MarshalJSON() ([]byte, error) {
	type plain measure
	line, err := json.Marshal(plain(m))
	if err != nil || len(m.Extra) == 0 {
		return line, err
	}
	extra, err := json.Marshal(m.Extra)
	if err != nil {
		return nil, err
	}
	line[len(line)-1] = ','
	return append(line, extra[1:]...), nil
}

// reporter writes JSON lines for programs to one side and sentences for people to the other.
type reporter struct {
	lines  io.Writer
	people io.Writer
	client string
}

func newReporter(lines, people io.Writer, client string) *reporter {
	return &reporter{lines, people, client}
}

func (r *reporter) write(line any) {
	text, err := json.Marshal(line)
	if err == nil {
		_, err = r.lines.Write(append(text, '\n'))
	}
	if err != nil {
		panic(err) // Nobody reads any more.
	}
}

// say tells people what happens meanwhile.
func (r *reporter) say(format string, arguments ...any) {
	fmt.Fprintf(r.people, format+"\n", arguments...)
}

// window is a stretch of time that is measured.
type window struct {
	out   *reporter
	name  string
	start time.Time
	used  time.Duration
	took  time.Duration
}

// begin opens a window and says so.
func (r *reporter) begin(name string) *window {
	r.write(map[string]string{"begin": name})
	return &window{out: r, name: name, start: time.Now(), used: cpu()}
}

// end closes the window's clocks.
func (w *window) end() {
	w.took = time.Since(w.start)
	w.used = cpu() - w.used
}

// report prints the result of a window that has ended.
func (w *window) report(records, bytes, errors int, found *latencies, extra map[string]any) {
	m := measure{
		Name: w.name, Records: records, PayloadBytes: bytes, Errors: errors,
		Seconds: w.took.Seconds(), ClientCPU: w.used.Round(time.Microsecond).Seconds(), Latency: found.line(), Client: w.out.client, Extra: extra,
	}
	w.out.write(m)
	w.out.say("%-8s %d records in %.2f s: %.0f/s, %.1f MB/s, client CPU %.2f s", m.Name, m.Records, m.Seconds,
		float64(m.Records)/m.Seconds, float64(m.PayloadBytes)/m.Seconds/1e6, m.ClientCPU)
	if m.Records > 0 {
		w.out.say("         client CPU %.2f us a record", m.ClientCPU/float64(m.Records)*1e6)
	}
	if l := m.Latency; l != nil {
		w.out.say("         p50 %.0f us, p99 %.0f us, p99.9 %.0f us, most %.0f us (%d samples)", l.P50, l.P99, l.P999, l.Max, l.Count)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Extra)) {
		w.out.say("         %s: %v", key, m.Extra[key])
	}
	if m.Errors > 0 {
		w.out.say("         %d ERRORS", m.Errors)
	}
}
