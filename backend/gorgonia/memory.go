package gorgonia

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/lxtc/lxtc/backend/cpu"
)

// memory hands out buffers and takes them back. It belongs to one session.
type memory struct {
	free       map[int][]*buffer // by size class
	live, peak int64
	held       int64 // bytes in free
	limit      int64 // of live; 0 for none
	poison     bool  // overwrite what nobody may read with NaNs: for tests
}

// idle is the number of references of a buffer that memory holds.
const idle = -1

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
	if m.limit > 0 && int64(c) > m.limit-m.live {
		panic(tooMuch(m.limit))
	}
	m.live += int64(c)
	m.peak = max(m.peak, m.live)
	if list := m.free[c]; len(list) > 0 {
		b := list[len(list)-1]
		m.free[c] = list[:len(list)-1]
		m.held -= int64(c)
		b.refs = 0
		return b
	}
	if m.held > m.live+maxIdle || m.limit > 0 && m.held > m.limit-m.live { // sizes have changed: let the old buffers go
		m.free, m.held = nil, 0
	}
	b := &buffer{bytes: make([]byte, c)}
	m.spoil(b)
	return b
}

// tooMuch is the panic over values that take more memory than they may.
type tooMuch int64

func (m tooMuch) Error() string {
	return fmt.Sprintf("values take more than the %.4g GiB of memory that they may", float64(m)/(1<<30))
}

// maxIdle is how much more idle memory than live memory a session keeps.
const maxIdle = 256 << 20

// release gives up one reference to a buffer, and the buffer with the last.
func (m *memory) release(b *buffer) {
	if b.borrowed {
		return
	}
	if b.refs--; b.refs == 0 {
		m.put(b)
	}
}

// put takes a buffer back that has no references.
func (m *memory) put(b *buffer) {
	if b.refs != 0 {
		panic("a buffer is given back twice, or while it is in use: a bug in the accounts")
	}
	b.refs = idle
	if b.holds != nil {
		for _, held := range b.holds {
			m.release(held)
		}
		return
	}
	m.spoil(b)
	c := len(b.bytes)
	m.live -= int64(c)
	m.held += int64(c)
	if m.free == nil {
		m.free = map[int][]*buffer{}
	}
	m.free[c] = append(m.free[c], b)
}

// spoil makes a read of a buffer's old or missing contents visible: all bits
// set is a NaN of every floating point type.
func (m *memory) spoil(b *buffer) {
	if !m.poison {
		return
	}
	for i := range b.bytes {
		b.bytes[i] = 0xff
	}
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
