package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/backend/cpu"
)

// broadcastShapes returns the shape that shapes have together by NumPy's
// rules.
func broadcastShapes(shapes ...[]int) ([]int, error) {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := make([]int, rank)
	for i := range out {
		out[i] = 1
	}
	for _, s := range shapes {
		lead := rank - len(s)
		for i, d := range s {
			switch {
			case d == 1 || out[lead+i] == d:
			case out[lead+i] == 1:
				out[lead+i] = d
			default:
				return nil, fmt.Errorf("shapes %v do not broadcast", shapes)
			}
		}
	}
	return out, nil
}

// broadcastStrides returns the strides under which v has the given shape.
func broadcastStrides(v *Value, shape []int) ([]int, error) {
	lead := len(shape) - len(v.shape)
	if lead < 0 {
		return nil, fmt.Errorf("shape %v does not broadcast to %v", v.shape, shape)
	}
	st := make([]int, len(shape))
	for i, s := range v.stride() {
		switch d := v.shape[i]; {
		case d == shape[lead+i]:
			st[lead+i] = s
		case d != 1:
			return nil, fmt.Errorf("shape %v does not broadcast to %v", v.shape, shape)
		}
	}
	return st, nil
}

// operandAt is v's buffer under the given strides.
func operandAt(v *Value, strides []int) cpu.Operand {
	return cpu.Operand{Data: as[float32](&Value{buf: v.buf}), Offset: v.off, Strides: strides}
}

// collapse joins neighbouring axes that every operand walks through in one
// step, and drops axes of one: fewer, longer loops.
func collapse(shape []int, strides ...[]int) (out []int, a, b []int) {
	outs := make([][]int, len(strides))
	for i, d := range shape {
		if d == 1 {
			continue
		}
		k := len(out) - 1
		joins := k >= 0
		for j, st := range strides {
			joins = joins && outs[j][k] == st[i]*d
		}
		if joins {
			out[k] *= d
			for j, st := range strides {
				outs[j][k] = st[i]
			}
			continue
		}
		out = append(out, d)
		for j, st := range strides {
			outs[j] = append(outs[j], st[i])
		}
	}
	if len(out) == 0 {
		out = []int{1}
		for j := range outs {
			outs[j] = []int{0}
		}
	}
	return out, outs[0], outs[1]
}

// eachIndex calls f with every index of a shape, the last axis fastest. f must
// not keep idx.
func eachIndex(shape []int, f func(idx []int)) {
	idx := make([]int, len(shape))
	if count(shape) == 0 {
		return
	}
	for {
		f(idx)
		i := len(shape) - 1
		for ; i >= 0; i-- {
			if idx[i]++; idx[i] < shape[i] {
				break
			}
			idx[i] = 0
		}
		if i < 0 {
			return
		}
	}
}
