//go:build linux || darwin || freebsd

package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// columnsCase is windows over lines, and the matrix that they stand for, written out.
func columnsCase(r *rand.Rand, x []float32, channels, height, width int) (*Columns, []float32) {
	kh, kw := 1+r.IntN(3), 1+r.IntN(4)
	dh, dw := 1+r.IntN(2), 1+r.IntN(2)
	top, left := r.IntN(3), r.IntN(4)
	lines := max(1, height+r.IntN(3)-(kh-1)*dh)
	out := max(1, width+r.IntN(5)-(kw-1)*dw)
	m := &Columns{X: x, Channels: channels, Plane: height * width, Lines: lines, Width: out}
	for a := range kh {
		for line := range lines {
			at := line + a*dh - top
			if at < 0 || at >= height {
				m.Starts = append(m.Starts, -1)
				continue
			}
			m.Starts = append(m.Starts, at*width)
		}
	}
	for b := range kw {
		from := b*dw - left
		lo := min(max(0, -from), out)
		m.Reaches = append(m.Reaches, Reach{lo, min(max(width-from, lo), out), from})
	}
	rows, cols := m.Dims()
	dense := make([]float32, rows*cols)
	for i := range rows {
		ch, tap := i/(kh*kw), i%(kh*kw)
		for j := range cols {
			y, xx := j/out+tap/kw*dh-top, j%out+tap%kw*dw-left
			if y >= 0 && y < height && xx >= 0 && xx < width {
				dense[i*cols+j] = x[(ch*height+y)*width+xx]
			}
		}
	}
	return m, dense
}

// TestColumnsAreTheMatrixWrittenOut multiplies with windows and with the columns that
// they stand for: the same bits, and so does every piece of it. The planes end where
// memory does.
func TestColumnsAreTheMatrixWrittenOut(t *testing.T) {
	fence := newFence(t, 40000)
	engines(t, func(t *testing.T, e *Engine) {
		for seed := range uint64(150) {
			r := rand.New(rand.NewPCG(seed, 5))
			channels, height, width := 1+r.IntN(40), 1+r.IntN(9), 1+r.IntN(40)
			for side, of := range map[string]func(n int) []float32{"low": fence.low, "high": fence.high} {
				x := of(channels * height * width)
				copy(x, random(seed, len(x)))
				m, dense := columnsCase(r, x, channels, height, width)
				rows, cols := m.Dims()
				for _, out := range []int{1, 3, 14, 75} {
					a, bias := random(seed+1, out*rows), random(seed+2, out)
					if seed%3 == 0 {
						bias = nil
					}
					want, got := make([]float32, out*cols), make([]float32, out*cols)
					e.GemmBias(out, cols, rows, a, rows, dense, cols, want, cols, bias)
					e.GemmColumns(out, a, rows, m, got, cols, bias)
					if i := firstDifference(want, got); i >= 0 {
						t.Fatalf("seed %d, %s: %d×%d×%d: element %d is %g, want %g", seed, side, out, rows, cols, i, got[i], want[i])
					}
				}
				first, last := r.IntN(rows), r.IntN(rows)
				first, last = min(first, last), max(first, last)
				j := r.IntN(cols)
				n := 1 + r.IntN(cols-j)
				got := make([]float32, (last-first+1)*n)
				m.widen(e, first, last-first+1, j, n, got, n)
				for i := range got {
					if want := dense[(first+i/n)*cols+j+i%n]; got[i] != want {
						t.Fatalf("seed %d, %s: element %d of rows %d to %d and %d columns from %d on is %g, want %g", seed, side, i, first, last, n, j, got[i], want)
					}
				}
			}
		}
	})
}

// The bias is that of a sum with it in front.
func TestGemmBias(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, s := range [][3]int{{1, 1, 1}, {1, 40, 3}, {40, 1, 3}, {5, 7, 0}, {14, 33, 600}, {90, 700, 20}} {
			m, n, k := s[0], s[1], s[2]
			a, b, bias := random(1, m*k), random(2, k*n), random(3, m)
			want, got := make([]float32, m*n), make([]float32, m*n)
			for i := range want {
				want[i] = bias[i/n]
			}
			e.Gemm(m, n, k, a, k, false, b, n, false, want, n, true)
			e.GemmBias(m, n, k, a, k, b, n, got, n, bias)
			for i := range want {
				if d := got[i] - want[i]; d > 2e-6 || d < -2e-6 { // one rounding, where it is added last
					t.Fatalf("%v: element %d is %g, want %g", s, i, got[i], want[i])
				}
			}
		}
	})
}

func TestColumnsPanicOutside(t *testing.T) {
	e := Best()
	defer e.Close()
	x, c := make([]float32, 12), make([]float32, 8)
	for name, m := range map[string]Columns{
		"behind":        {X: x, Channels: 2, Plane: 6, Lines: 1, Width: 4, Starts: []int{3}, Reaches: []Reach{{0, 4, 0}}},
		"before":        {X: x, Channels: 2, Plane: 6, Lines: 1, Width: 4, Starts: []int{0}, Reaches: []Reach{{0, 4, -1}}},
		"too wide":      {X: x, Channels: 2, Plane: 6, Lines: 1, Width: 4, Starts: []int{0}, Reaches: []Reach{{0, 5, 0}}},
		"channels":      {X: x, Channels: 3, Plane: 6, Lines: 1, Width: 4, Starts: []int{0}, Reaches: []Reach{{0, 4, 0}}},
		"before a line": {X: x, Channels: 2, Plane: 6, Lines: 1, Width: 4, Starts: []int{0}, Reaches: []Reach{{-1, 4, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			e.GemmColumns(2, x, m.Channels, &m, c, 4, nil)
		})
	}
	t.Run("bias", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("did not panic")
			}
		}()
		e.GemmBias(2, 2, 2, x, 2, x, 2, c, 2, x[:3])
	})
}

func BenchmarkColumns(b *testing.B) {
	e, err := New(Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for _, width := range []int{7, 14, 56, 112} {
		b.Run(fmt.Sprint(width), func(b *testing.B) {
			m := &Columns{X: random(1, 64*width*width), Channels: 64, Plane: width * width, Lines: width, Width: width}
			for a := range 3 {
				for line := range width {
					at := (line + a - 1) * width
					if at < 0 || at >= width*width {
						at = -1
					}
					m.Starts = append(m.Starts, at)
				}
				m.Reaches = append(m.Reaches, Reach{max(0, 1-a), min(width, width+1-a), a - 1})
			}
			dst := make([]float32, 576*e.k.nr)
			for b.Loop() {
				for j := 0; j < width*width; j += e.k.nr {
					m.widen(e, 0, 576, j, min(e.k.nr, width*width-j), dst, e.k.nr)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*576*width*width), "ns/elem")
		})
	}
}
