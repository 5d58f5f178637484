package main

import (
	"runtime/debug"
	"syscall"
	"time"
)

// cpu is what this process has used until now, user and system.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // The kernel knows only errors that this call cannot make.
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// versionOf a module that this binary was built with.
func versionOf(module string) string {
	if built, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range built.Deps {
			if dependency.Path == module {
				return dependency.Version
			}
		}
	}
	return "of unknown version"
}
