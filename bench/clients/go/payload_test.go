package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func cut(t *testing.T, text string, size int) *payloads {
	t.Helper()
	made, err := cutPayloads([]byte(text), size)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestALineIsCutOrJoinedToExactlyTheSizeAskedFor(t *testing.T) {
	made := cut(t, "a first line\nb\nc\r\n\nthe fourth", 10)
	for i, want := range []string{"a first li", "b\nc\r\nthe f", "a first li"} {
		if got := string(made.at(i)); got != want {
			t.Errorf("value %d is %q, not %q", i, got, want)
		}
	}
}

func TestEveryValueHasItsSizeWhateverTheText(t *testing.T) {
	for kind, text := range map[string][]byte{"flights": generated(flightLine), "log": generated(logLine)} {
		for _, size := range []int{16, 124, 1024, 16 << 10, 1_000_000} {
			made, err := cutPayloads(text, size)
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range made.values {
				if len(value) != size {
					t.Fatalf("%s: %d bytes, not %d", kind, len(value), size)
				}
			}
			if len(made.values) < payloadCountMin {
				t.Errorf("%s: only %d values of %d bytes", kind, len(made.values), size)
			}
		}
	}
}

func TestValuesComeAgainAfterTheLast(t *testing.T) {
	made := cut(t, strings.Repeat("one line\nand another\n", 10), 1<<20)
	if !bytes.Equal(made.at(0), made.at(len(made.values))) {
		t.Error("the first value does not follow the last")
	}
}

func TestALongFileIsUsedToItsEnd(t *testing.T) {
	var text strings.Builder
	for text.Len() < 2*payloadTextBytes {
		text.WriteString("some line of a log\n")
	}
	text.WriteString("the last\n")
	made := cut(t, text.String(), 18)
	if !slices.ContainsFunc(made.values, func(value []byte) bool { return bytes.HasPrefix(value, []byte("the last")) }) {
		t.Error("its last line is in no value")
	}
}

func TestGeneratedTextIsTheSameInEveryRun(t *testing.T) {
	one, two := generated(flightLine), generated(flightLine)
	if !bytes.Equal(one, two) {
		t.Error("two runs generate different flights")
	}
}

func TestAFlightIsJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		line := flightLine(nil, random, time.Date(2013, 3, 31, 23, 59, 0, 0, time.UTC))
		var flight map[string]any
		if err := json.Unmarshal(line, &flight); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if flight["tailnum"] == "" || flight["distance"] == 0 {
			t.Fatalf("%s lacks something", line)
		}
	}
}

func TestTextCompressesLikeText(t *testing.T) {
	for _, kind := range []string{"flights", "log"} {
		made, err := newPayloads("", kind, 1024)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		to := gzip.NewWriter(&packed)
		for i := range 1024 {
			if _, err := to.Write(made.at(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		ratio := float64(1<<20) / float64(packed.Len())
		if ratio < 2 || ratio > 10 {
			t.Errorf("%s compresses by %.1f", kind, ratio)
		}
	}
}

func TestAFileWithoutLinesIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(file, []byte("\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newPayloads(file, "", 10); err == nil {
		t.Error("values of nothing")
	}
	if _, err := newPayloads(file+"-that-is-not-there", "", 10); err == nil {
		t.Error("values of a file that is not there")
	}
}
