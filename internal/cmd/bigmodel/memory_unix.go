//go:build linux || darwin

package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// memory is the largest resident set that the process had.
func memory(p *os.ProcessState) string {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return "?"
	}
	bytes := u.Maxrss
	if runtime.GOOS == "linux" { // which counts kilobytes
		bytes *= 1024
	}
	return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
}
