//go:build !amd64 || purego

package cpu

import "runtime"

// pause gives way while a worker polls.
func pause() { runtime.Gosched() }
