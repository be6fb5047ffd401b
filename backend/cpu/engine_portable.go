//go:build !amd64 || purego

package cpu

// available lists the kernel sets of this machine, the fastest first.
func available() []*kernels { return []*kernels{portable()} }
