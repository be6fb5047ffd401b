//go:build linux || darwin || freebsd

package cpu

import (
	"math/rand/v2"
	"testing"
)

// TestPieces copies random runs from memory that ends where they do.
func TestPieces(t *testing.T) {
	fence := newFence(t, 4000)
	engines(t, func(t *testing.T, e *Engine) {
		for seed := range uint64(400) {
			r := rand.New(rand.NewPCG(seed, 2))
			n, size := r.IntN(300), 1+r.IntN(1000)
			src := fence.high(size)
			if seed%2 == 0 {
				src = fence.low(size)
			}
			copy(src, random(seed, size))
			want := make([]float32, n)
			var pieces []Piece
			for at := r.IntN(20); at < n; at += r.IntN(1 + r.IntN(40)) {
				s := Piece{At: at, From: r.IntN(size)}
				s.N = r.IntN(1 + min(n-at, size-s.From, 40))
				copy(want[at:at+s.N], src[s.From:])
				pieces = append(pieces, s)
				at += s.N
			}
			got, intact := guarded(n)
			e.Copy(e.NewPieces(n, pieces), got, src)
			if i := firstDifference(want, got); i >= 0 || !intact() {
				t.Fatalf("seed %d: element %d is %g, want %g; nothing else written: %t", seed, i, got[i], want[i], intact())
			}
		}
	})
}

func TestPiecesPanic(t *testing.T) {
	e := Best()
	defer e.Close()
	x := make([]float32, 40)
	for name, f := range map[string]func(){
		"order":       func() { e.NewPieces(40, []Piece{{5, 0, 2}, {4, 0, 1}}) },
		"behind":      func() { e.NewPieces(40, []Piece{{39, 0, 2}}) },
		"before":      func() { e.NewPieces(40, []Piece{{0, -1, 2}}) },
		"source":      func() { e.Copy(e.NewPieces(40, []Piece{{0, 30, 20}}), x, x) },
		"destination": func() { e.Copy(e.NewPieces(40, nil), x[:39], x) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}
