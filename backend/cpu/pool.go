package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// spinFor is how long an idle worker polls for the next operation before it
// parks. Waking a parked goroutine's thread costs more than 100 µs on a virtual
// machine (measured), which is more than most operators take; the gap between two
// operators of one run is far below 200 µs.
const spinFor = 200 * time.Microsecond

// Pool shares loops out over workers that poll for work between operations. It
// is safe for concurrent use: two Runs at once are both right, but may share
// the workers unevenly. Close it when done; a Pool that is garbage collected
// closes itself.
type Pool struct {
	s       *poolState
	threads int
	cleanup runtime.Cleanup
}

// NewPool returns a pool of this many threads, the caller of Run counted as one.
// Zero or less means one per processor that Go may use. Workers start with the
// first Run that needs them.
func NewPool(threads int) *Pool {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{threads: threads, s: &poolState{wake: make(chan struct{}, threads), done: make(chan struct{})}}
	p.cleanup = runtime.AddCleanup(p, (*poolState).close, p.s)
	return p
}

// Threads is how many goroutines may share one Run.
func (p *Pool) Threads() int { return p.threads }

// Run calls f(0) to f(n-1), each once, and returns when all have returned. Items
// are taken one at a time, so a worker that wakes late delays nothing. A panic in
// f is raised again in the caller, after the other items have finished.
func (p *Pool) Run(n int, f func(i int)) {
	if n <= 1 || p.threads <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	p.s.start.Do(func() {
		for range p.threads - 1 {
			go p.s.work()
		}
	})
	j := &job{n: int64(n), f: f}
	j.left.Store(int64(n))
	p.s.cur.Store(j)
	p.s.parkNow.Store(false)
	p.s.wakeUp(min(n, p.threads) - 1)
	j.run()
	j.wait()
	p.s.cur.CompareAndSwap(j, nil) // let go of what f holds
	if v := j.panicked.Load(); v != nil {
		panic(*v)
	}
}

// Park sends idle workers to sleep now, instead of 200 µs after the last Run. Call
// it at the end of a run of many operators, or before waiting for something else.
func (p *Pool) Park() { p.s.parkNow.Store(true) }

// Close ends the workers. Run still works afterwards, on its caller alone.
func (p *Pool) Close() {
	p.cleanup.Stop()
	p.s.close()
	runtime.KeepAlive(p)
}

// poolState is what the workers hold, so that they do not keep a Pool alive.
type poolState struct {
	start   sync.Once
	stop    sync.Once
	cur     atomic.Pointer[job]
	parked  atomic.Int32
	parkNow atomic.Bool
	wake    chan struct{}
	done    chan struct{}
}

func (s *poolState) close() { s.stop.Do(func() { close(s.done) }) }

// wakeUp wakes at most n parked workers.
func (s *poolState) wakeUp(n int) {
	for range min(n, int(s.parked.Load())) {
		select {
		case s.wake <- struct{}{}:
		default:
			return
		}
	}
}

func (s *poolState) work() {
	var last *job
	for {
		j := s.next(last)
		if j == nil {
			return
		}
		j.run()
		last = j
	}
}

// next polls for a job other than last, parking when there is none for long; nil
// when the pool is closed.
func (s *poolState) next(last *job) *job {
	idle := time.Now()
	for i := 1; ; i++ {
		if j := s.cur.Load(); j != nil && j != last {
			return j
		}
		pause()
		if i&63 != 0 || !s.parkNow.Load() && time.Since(idle) < spinFor {
			continue
		}
		s.parked.Add(1)
		if j := s.cur.Load(); j == nil || j == last { // looked again after saying so: no lost wake-up
			select {
			case <-s.wake:
			case <-s.done:
				s.parked.Add(-1)
				return nil
			}
		}
		s.parked.Add(-1)
		idle = time.Now()
	}
}

// job is one Run in progress.
type job struct {
	n        int64
	taken    atomic.Int64
	left     atomic.Int64
	panicked atomic.Pointer[any]
	f        func(i int)
}

// run takes items until none is left.
func (j *job) run() {
	for i := j.taken.Add(1) - 1; i < j.n; i = j.taken.Add(1) - 1 {
		j.one(int(i))
	}
}

// wait returns when the items that workers still have are done. Where there are
// more threads than processors a worker may have lost its processor in the middle of one:
// after 200 µs the caller sleeps in turn, so that it can have ours.
func (j *job) wait() {
	start := time.Now()
	for i := 1; j.left.Load() != 0; i++ {
		pause()
		if i&1023 != 0 {
			continue
		}
		if time.Since(start) > spinFor {
			time.Sleep(spinFor / 4)
			continue
		}
		runtime.Gosched()
	}
}

func (j *job) one(i int) {
	defer func() {
		if v := recover(); v != nil {
			j.panicked.CompareAndSwap(nil, &v)
		}
		j.left.Add(-1)
	}()
	j.f(i)
}
