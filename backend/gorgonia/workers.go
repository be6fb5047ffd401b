package gorgonia

import "sync/atomic"

// workers runs tasks 0 to n-1 on the engine's threads. A task knows which
// worker runs it, so that each worker can have a buffer of its own, and calls
// kernels on c.serial, because the threads are taken.
func (c *call) workers(n int, f func(worker, task int)) {
	var taken atomic.Int64
	c.engine.Run(c.numWorkers(n), func(worker int) {
		for t := taken.Add(1) - 1; t < int64(n); t = taken.Add(1) - 1 {
			f(worker, int(t))
		}
	})
}

// numWorkers returns how many workers n tasks have.
func (c *call) numWorkers(n int) int { return max(min(n, c.engine.Threads()), 1) }

// repeat sets every element of dst to x.
func repeat[T any](dst []T, x T) {
	if len(dst) == 0 {
		return
	}
	dst[0] = x
	for n := 1; n < len(dst); n *= 2 { // copying is several times as fast as a loop
		copy(dst[n:], dst[:n])
	}
}
