package gorgonia

import (
	"math/bits"
	"unsafe"

	"github.com/lxtc/lxtc/backend/cpu"
)

// memory hands out buffers and takes them back. It belongs to one session.
type memory struct {
	free       map[int][]*buffer // by size class
	live, peak int64
	held       int64 // bytes in free
}

// class rounds a size up so that buffers of nearly equal size serve each
// other: to an eighth of the power of two below it, at most 12 % too much.
func class(n int) int {
	if n <= 4096 {
		return 4096
	}
	step := 1 << max(bits.Len(uint(n))-4, 0)
	return (n + step - 1) / step * step
}

func (m *memory) alloc(n int) *buffer {
	c := class(n)
	m.live += int64(c)
	m.peak = max(m.peak, m.live)
	if list := m.free[c]; len(list) > 0 {
		b := list[len(list)-1]
		m.free[c] = list[:len(list)-1]
		m.held -= int64(c)
		return b
	}
	if m.held > m.live+maxIdle { // sizes have changed: let the old buffers go
		m.free, m.held = nil, 0
	}
	return &buffer{bytes: make([]byte, c)}
}

// maxIdle is how much more idle memory than live memory a session keeps.
const maxIdle = 256 << 20

func (m *memory) release(b *buffer) {
	if b.borrowed {
		return
	}
	if b.refs--; b.refs > 0 {
		return
	}
	c := len(b.bytes)
	m.live -= int64(c)
	m.held += int64(c)
	if m.free == nil {
		m.free = map[int][]*buffer{}
	}
	m.free[c] = append(m.free[c], b)
}

// copyTo writes the elements of v to raw, row-major.
func (s *session) copyTo(raw []byte, v *Value) {
	if len(raw) == 0 {
		return
	}
	if v.contiguous() {
		copy(raw, v.buf.bytes[v.off*size(v.elem):])
		return
	}
	switch size(v.elem) {
	case 1:
		copyStrided[uint8](s.engine, raw, v)
	case 2:
		copyStrided[uint16](s.engine, raw, v)
	case 4:
		copyStrided[float32](s.engine, raw, v)
	default:
		copyStrided[uint64](s.engine, raw, v)
	}
}

func copyStrided[T any](e *cpu.Engine, raw []byte, v *Value) {
	var z T
	dst := unsafe.Slice((*T)(unsafe.Pointer(&raw[0])), len(raw)/int(unsafe.Sizeof(z)))
	whole := &Value{elem: v.elem, buf: v.buf}
	cpu.CopyStrided(e, dst, v.shape, as[T](whole), v.off, v.stride())
}
