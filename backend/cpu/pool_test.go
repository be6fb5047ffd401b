package cpu

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPoolRunsEveryItemOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := NewPool(threads)
		defer p.Close()
		for n := range 40 {
			count := make([]atomic.Int32, n)
			p.Run(n, func(i int) { count[i].Add(1) })
			for i := range count {
				if c := count[i].Load(); c != 1 {
					t.Fatalf("%d threads: item %d of %d ran %d times", threads, i, n, c)
				}
			}
		}
	}
}

func TestPoolInsideAndBesideItself(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	var total atomic.Int64
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 200 {
				p.Run(3, func(int) { p.Run(5, func(int) { total.Add(1) }) })
			}
		})
	}
	callers.Wait()
	if got := total.Load(); got != 4*200*15 {
		t.Errorf("%d items ran, want %d", got, 4*200*15)
	}
}

func TestPoolRunsAfterParkingAndClosing(t *testing.T) {
	p := NewPool(2)
	for _, step := range []func(){func() {}, p.Park, func() { time.Sleep(2 * spinFor) }, p.Close, p.Close} {
		step()
		var n atomic.Int32
		p.Run(100, func(int) { n.Add(1) })
		if n.Load() != 100 {
			t.Fatalf("%d of 100 items ran", n.Load())
		}
	}
}

func TestPoolRaisesAPanicInTheCaller(t *testing.T) {
	for _, threads := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d threads", threads), func(t *testing.T) {
			p := NewPool(threads)
			defer p.Close()
			defer func() {
				if v := recover(); v != "item 7" {
					t.Errorf("recovered %v, want item 7", v)
				}
			}()
			p.Run(20, func(i int) {
				if i == 7 {
					panic("item 7")
				}
			})
		})
	}
}

func TestForgottenPoolEndsItsWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	func() { NewPool(4).Run(10, func(int) {}) }()
	for range 200 {
		runtime.GC()
		time.Sleep(time.Millisecond)
		if runtime.NumGoroutine() <= before {
			return
		}
	}
	t.Errorf("%d goroutines, %d before the pool", runtime.NumGoroutine(), before)
}

// BenchmarkPool is the cost of sharing out two items that do nothing.
func BenchmarkPool(b *testing.B) {
	p := NewPool(2)
	defer p.Close()
	for b.Loop() {
		p.Run(2, func(int) {})
	}
}
