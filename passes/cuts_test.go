package passes

import (
	"math"
	"math/rand/v2"
	"testing"
)

// randomHeld is the memory of a forward pass of n nodes, each of which makes one
// buffer.
func randomHeld(r *rand.Rand, n int) []*held {
	var all []*held
	for p := range n {
		h := &held{def: p, last: p, bytes: 1 + r.Int64N(9), late: r.IntN(2) == 0}
		if p < n-1 {
			h.last = p + 1 + r.IntN(min(n-1-p, 4))
		}
		if r.IntN(8) == 0 {
			h.last = n - 1 // a mask that every layer reads
		}
		all = append(all, h)
	}
	return all
}

// memoryOf counts one by one what cuts keep, and what the largest block has
// inside.
func memoryOf(all []*held, cuts []int, n int) int64 {
	var kept, largest int64
	inside := map[int]int64{}
	for _, h := range all {
		passes, block := false, 0
		for _, p := range cuts {
			passes = passes || h.passesCut(p)
			if h.def > p {
				block = p
			}
		}
		switch {
		case passes:
			kept += h.bytes
		case h.late:
			inside[block] += h.bytes
			largest = max(largest, inside[block])
		}
	}
	return kept + largest
}

// TestCutsAreCheap compares with all choices of places: the bound shrinks in
// steps, so the best may be missed, but by little and seldom.
func TestCutsAreCheap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	missed := 0
	const rounds = 300
	for range rounds {
		n := 4 + r.IntN(20)
		all := randomHeld(r, n)
		at := places(all, n)
		at = at[1 : len(at)-1]
		least := int64(math.MaxInt64)
		for set := range 1 << len(at) {
			var cuts []int
			for i, p := range at {
				if set>>i&1 == 1 {
					cuts = append(cuts, p)
				}
			}
			least = min(least, memoryOf(all, cuts, n))
		}
		got := memoryOf(all, chooseCuts(all, n), n)
		if got < least {
			t.Fatalf("%d bytes, and the least is %d", got, least)
		}
		if got > least {
			missed++
		}
		if float64(got) > 1.1*float64(least) {
			t.Errorf("%d bytes, and the least is %d", got, least)
		}
	}
	if missed > rounds/20 {
		t.Errorf("missed the best cuts %d times of %d", missed, rounds)
	}
}
