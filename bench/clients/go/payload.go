package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

const (
	// So much text that no batch holds a record twice.
	payloadTextBytes = 8 << 20
	payloadFileMax   = 64 << 20
	payloadCountMin  = 16
)

// payloads are values of equal length, prepared so that taking one costs nothing.
type payloads struct {
	values [][]byte
}

// at gives the value of the i-th record; they come again when all have been had.
func (p *payloads) at(i int) []byte { return p.values[i%len(p.values)] }

// newPayloads cuts the lines of a file, or of generated text, into values of this many bytes.
func newPayloads(file, generate string, size int) (*payloads, error) {
	var text []byte
	switch {
	case file != "":
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		if text, err = io.ReadAll(io.LimitReader(opened, payloadFileMax)); err != nil {
			return nil, err
		}
	case generate == "flights":
		text = generated(flightLine)
	case generate == "log":
		text = generated(logLine)
	default:
		return nil, usageError("--generate is flights or log")
	}
	return cutPayloads(text, size)
}

// cutPayloads makes values that each begin with a line: a longer line is cut, a shorter one is joined by those that follow.
func cutPayloads(text []byte, size int) (*payloads, error) {
	lines := slices.DeleteFunc(bytes.Split(text, []byte("\n")), func(line []byte) bool { return len(line) == 0 })
	if len(lines) == 0 {
		return nil, fmt.Errorf("the payload file has no lines")
	}
	var values [][]byte
	made, next := 0, 0
	// A short file comes around until there are enough values, and a long one is used up to its end.
	for next < len(lines) && made < payloadFileMax || made < payloadTextBytes || len(values) < payloadCountMin {
		value := make([]byte, 0, size)
		for len(value) < size {
			line := lines[next%len(lines)]
			next++
			value = append(value, line[:min(len(line), size-len(value))]...)
			if len(value) < size {
				value = append(value, '\n')
			}
		}
		values = append(values, value)
		made += size
	}
	return &payloads{values}, nil
}

// generated text is the same in every run.
func generated(line func([]byte, *rand.Rand, time.Time) []byte) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2013, 1, 1, 5, 0, 0, 0, time.UTC)
	var text []byte
	for len(text) < payloadTextBytes {
		text = append(line(text, random, at), '\n')
		at = at.Add(time.Duration(random.IntN(90_000)) * time.Millisecond)
	}
	return text
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

var (
	carriers = []string{"AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN", "9E", "VX"}
	origins  = []string{"EWR", "JFK", "LGA"}
	routes   = []struct {
		to    string
		miles int
	}{{"ATL", 762}, {"BOS", 187}, {"CLT", 544}, {"DFW", 1389}, {"FLL", 1069}, {"IAH", 1400}, {"LAX", 2475}, {"MCO", 944}, {"MIA", 1089}, {"ORD", 733}, {"PBI", 1028}, {"SFO", 2586}, {"TPA", 1010}}
)

// flightLine appends one departure as JSON.
func flightLine(to []byte, random *rand.Rand, at time.Time) []byte {
	route := pick(random, routes)
	late := int(random.ExpFloat64()*18) - 8
	left := at.Add(time.Duration(late) * time.Minute)
	minutes := route.miles/8 + 20 + random.IntN(25)
	landed := left.Add(time.Duration(minutes) * time.Minute)
	return fmt.Appendf(to, `{"year":%d,"month":%d,"day":%d,"dep_time":%d,"sched_dep_time":%d,"dep_delay":%d,"arr_time":%d,"arr_delay":%d,`+
		`"carrier":"%s","flight":%d,"tailnum":"N%d%s","origin":"%s","dest":"%s","air_time":%d,"distance":%d,"time_hour":"%s"}`,
		at.Year(), at.Month(), at.Day(), clock(left), clock(at), late, clock(landed), late+random.IntN(40)-25,
		pick(random, carriers), 1+random.IntN(6000), 100+random.IntN(900), pick(random, carriers), pick(random, origins), route.to,
		minutes, route.miles, at.Truncate(time.Hour).Format(time.RFC3339))
}

// clock is the time of day as the airlines' table writes it: 5:17 is 517.
func clock(at time.Time) int { return at.Hour()*100 + at.Minute() }

var (
	methods  = []string{"GET", "GET", "GET", "GET", "POST", "PUT"}
	paths    = []string{"/", "/index.html", "/api/v1/orders", "/api/v1/orders/%d", "/api/v1/customers/%d/addresses", "/static/app.%d.js", "/search?q=%d", "/health"}
	statuses = []int{200, 200, 200, 200, 200, 200, 201, 204, 304, 404, 500}
	agents   = []string{"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "curl/7.88.1", "okhttp/4.12.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"}
)

// logLine appends one line as a web server writes it.
func logLine(to []byte, random *rand.Rand, at time.Time) []byte {
	path := pick(random, paths)
	if bytes.Contains([]byte(path), []byte("%d")) {
		path = fmt.Sprintf(path, random.IntN(100_000))
	}
	return fmt.Appendf(to, `10.%d.%d.%d - - [%s] "%s %s HTTP/1.1" %d %d "-" "%s" %.3f`,
		random.IntN(4), random.IntN(256), 1+random.IntN(254), at.Format("02/Jan/2006:15:04:05 -0700"), pick(random, methods), path,
		pick(random, statuses), int(random.ExpFloat64()*4000), pick(random, agents), random.ExpFloat64()*0.05)
}
