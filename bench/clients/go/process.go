package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// usageOf says what the broker's process has used: CPU seconds and resident memory.
type usageOf struct {
	cpuSeconds float64
	mib        float64
	peakMib    float64
}

// The kernel counts in ticks of this length (sysconf _SC_CLK_TCK is 100 on Linux).
const ticksPerSecond = 100

func (s *setup) usage() usageOf {
	if s.pid == 0 {
		return usageOf{}
	}
	var used usageOf
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid)); err == nil {
		// The name may hold anything, so that fields count from the last parenthesis.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		used.cpuSeconds = (user + system) / ticksPerSecond
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid)); err == nil {
		for line := range strings.Lines(string(status)) {
			words := strings.Fields(line)
			if len(words) < 2 {
				continue
			}
			kib, _ := strconv.ParseFloat(words[1], 64)
			switch words[0] {
			case "VmRSS:":
				used.mib = kib / 1024
			case "VmHWM:":
				used.peakMib = kib / 1024
			}
		}
	}
	return used
}

func (u usageOf) since(before usageOf) string {
	return fmt.Sprintf("broker CPU %.2f s, memory %.0f MiB (peak %.0f)", u.cpuSeconds-before.cpuSeconds, u.mib, u.peakMib)
}
