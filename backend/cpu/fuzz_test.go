package cpu

import "testing"

// FuzzGemm: go test -fuzz Gemm ./backend/cpu. Shapes, flags and padding are
// arbitrary; results are compared with float64 and canaries.
func FuzzGemm(f *testing.F) {
	f.Add(uint8(15), uint8(33), uint16(17), uint8(0), uint8(3))
	f.Add(uint8(1), uint8(200), uint16(769), uint8(7), uint8(0))
	f.Add(uint8(70), uint8(1), uint16(1), uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, m, n uint8, k uint16, flags, pad uint8) {
		engines(t, func(t *testing.T, e *Engine) {
			checkGemm(t, e, int(m), int(n), int(k%2000), flags&1 != 0, flags&2 != 0, flags&4 != 0, int(pad%20))
		})
	})
}

// FuzzCopyStrided: go test -fuzz Copy ./backend/cpu. Three dimensions in any
// order, expanded or walked backwards.
func FuzzCopyStrided(f *testing.F) {
	f.Add(uint8(3), uint8(70), uint8(20), uint8(1), uint8(0))
	f.Add(uint8(33), uint8(17), uint8(5), uint8(5), uint8(6))
	f.Fuzz(func(t *testing.T, d0, d1, d2, order, flags uint8) {
		dims := []int{int(d0 % 80), int(d1 % 80), int(d2 % 80)}
		perm := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}[order%6]
		strides, offset, step := make([]int, 3), 0, 1
		for _, d := range perm {
			strides[d] = step
			step *= max(1, dims[d])
			switch flags >> (2 * d) & 3 {
			case 1:
				strides[d] = 0
			case 2:
				strides[d] = -strides[d]
				offset += max(0, dims[d]-1) * -strides[d]
			}
		}
		engines(t, func(t *testing.T, e *Engine) { checkCopy(t, e, dims, offset, step+1, strides) })
	})
}
