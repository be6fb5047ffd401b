package gorgonia

import (
	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// A rowKernel computes a few rows of an operator's results: the bits that its kernel
// computes of whole tensors.
type rowKernel func(t *strips, st *rowStep)

// rowKernelFor returns the row kernel of a node that rowwise accepts.
func rowKernelFor(n *ir.Node) rowKernel {
	name := n.Op.Name
	if op, ok := binaries[name]; ok {
		return zipRows(op)
	}
	if op, ok := unaries[name]; ok {
		return mapRows(op)
	}
	if op, ok := reductions[name]; ok {
		return reduceRows(op, name == "ReduceMean")
	}
	switch name {
	case "Gelu":
		if n.Attrs.String("approximate", "none") == "tanh" {
			return mapRows(cpu.GeluTanh)
		}
		return mapRows(cpu.Gelu)
	case "Swish":
		if alpha := n.Attrs.Float("alpha", 1); alpha != 1 {
			return swishRows(alpha)
		}
		return mapRows(cpu.Silu)
	case "HardSigmoid":
		return scalarRows(hardSigmoidSteps(n))
	case "RMSNormalization":
		return normRows(n.Attrs.Float("epsilon", 1e-5))
	}
	return map[string]rowKernel{
		"Clip": clipRows, "Where": whereRows, "Softmax": softmaxRows,
		"Identity": copyColumns, "Slice": copyColumns, "Split": copyColumns, "Concat": concatRows, "Pad": padRows,
	}[name]
}

// result is the strip and the columns of an operator's first result.
func (t *strips) result(st *rowStep) (cpu.Strip, int) {
	k := st.ids.out[0]
	return t.of[k], t.cols[k]
}

func zipRows(op cpu.Binary) rowKernel {
	return func(t *strips, st *rowStep) {
		dst, n := t.result(st)
		acc := t.operand(st.ids.in[0], n)
		if len(st.ids.in) == 1 {
			cpu.CopyStrip(t.piece.rows, n, dst, acc)
		}
		for _, k := range st.ids.in[1:] {
			t.serial.ZipStrips(op, t.piece.rows, n, dst, acc, t.operand(k, n))
			acc = dst
		}
	}
}

func mapRows(op cpu.Unary) rowKernel {
	return func(t *strips, st *rowStep) {
		dst, n := t.result(st)
		t.serial.MapStrips(op, t.piece.rows, n, dst, t.of[st.ids.in[0]])
	}
}

// swishRows is x·sigmoid(αx).
func swishRows(alpha float32) rowKernel {
	return func(t *strips, st *rowStep) {
		dst, n := t.result(st)
		x := t.of[st.ids.in[0]]
		t.serial.ZipStrips(cpu.Mul, t.piece.rows, n, dst, x, t.number(alpha))
		t.serial.MapStrips(cpu.Sigmoid, t.piece.rows, n, dst, dst)
		t.serial.ZipStrips(cpu.Mul, t.piece.rows, n, dst, dst, x)
	}
}

func scalarRows(steps []scalarStep) rowKernel {
	return func(t *strips, st *rowStep) {
		dst, n := t.result(st)
		x := t.of[st.ids.in[0]]
		for _, s := range steps {
			t.serial.ZipStrips(s.op, t.piece.rows, n, dst, x, t.number(s.with))
			x = dst
		}
	}
}

func reduceRows(op cpu.Reduce, mean bool) rowKernel {
	return func(t *strips, st *rowStep) {
		dst, _ := t.result(st)
		k := st.ids.in[0]
		t.serial.ReduceStrips(op, t.piece.rows, t.cols[k], dst, t.of[k])
		if mean {
			t.serial.ZipStrips(cpu.Div, t.piece.rows, 1, dst, dst, t.number(float32(t.cols[k])))
		}
	}
}

func softmaxRows(t *strips, st *rowStep) {
	dst, n := t.result(st)
	t.serial.SoftmaxStrips(t.piece.rows, n, dst, t.of[st.ids.in[0]])
}

func normRows(eps float32) rowKernel {
	return func(t *strips, st *rowStep) {
		dst, n := t.result(st)
		t.serial.RMSNormStrips(t.piece.rows, n, dst, t.of[st.ids.in[0]], t.weights[st.ids.in[1]], eps)
	}
}

func clipRows(t *strips, st *rowStep) {
	dst, n := t.result(st)
	x, done := t.of[st.ids.in[0]], false
	for i, op := range []cpu.Binary{cpu.Max, cpu.Min} {
		if len(st.ids.in) > i+1 && st.ids.in[i+1] >= 0 {
			t.serial.ZipStrips(op, t.piece.rows, n, dst, x, t.number(as[float32](t.in[st.ids.in[i+1]])[0]))
			x, done = dst, true
		}
	}
	if !done {
		cpu.CopyStrip(t.piece.rows, n, dst, x)
	}
}

// whereRows selects by a mask, which is an input: a group computes floats only.
func whereRows(t *strips, st *rowStep) {
	dst, n := t.result(st)
	x, y := t.operand(st.ids.in[1], n), t.operand(st.ids.in[2], n)
	k := st.ids.in[0]
	src := &t.sources[k]
	mask, col := src.buf.bytes, src.col
	if t.cols[k] == 1 {
		col = 0
	}
	if col == 1 {
		t.serial.ChooseStrips(t.piece.rows, n, dst, mask[t.base[k]+t.piece.from*src.row:], src.row, x, y)
		return
	}
	for r := range t.piece.rows {
		at := t.base[k] + (t.piece.from+r)*src.row
		d, xs, ys := dst.Row(r), x.Row(r), y.Row(r)
		switch {
		case col == 0 && mask[at] != 0:
			cpu.CopyStrip(1, n, d, xs)
		case col == 0:
			cpu.CopyStrip(1, n, d, ys)
		default:
			for i := range n {
				from := ys
				if mask[at+i*col] != 0 {
					from = xs
				}
				if !from.Number {
					from = from.From(i)
				}
				d.Data[i] = from.Data[0]
			}
		}
	}
}

// copyColumns is Slice, Split and Identity where the result has to lie elsewhere.
func copyColumns(t *strips, st *rowStep) {
	src := t.of[st.ids.in[0]]
	for _, k := range st.ids.out {
		pl := &t.homes[k]
		if pl.of >= 0 {
			continue
		}
		dst, n := t.of[k], t.cols[k]
		if st.n.Op.Name != "Slice" || st.step == 1 {
			cpu.CopyStrip(t.piece.rows, n, dst, src.From(pl.from+st.from))
			continue
		}
		for r := range t.piece.rows {
			d, x := dst.Data[r*dst.Step:][:n], src.Data[r*src.Step:]
			for i := range d {
				d[i] = x[st.from+i*st.step]
			}
		}
	}
}

func concatRows(t *strips, st *rowStep) {
	dst, _ := t.result(st)
	at := 0
	for _, k := range st.ids.in {
		cpu.CopyStrip(t.piece.rows, t.cols[k], dst.From(at), t.of[k])
		at += t.cols[k]
	}
}

func padRows(t *strips, st *rowStep) {
	dst, n := t.result(st)
	with := t.number(0)
	if len(st.ids.in) > 2 && st.ids.in[2] >= 0 {
		with = t.number(as[float32](t.in[st.ids.in[2]])[0])
	}
	kept := st.kept
	cpu.CopyStrip(t.piece.rows, st.to, dst, with)
	if kept > 0 {
		cpu.CopyStrip(t.piece.rows, kept, dst.From(st.to), t.of[st.ids.in[0]].From(st.from))
	}
	if rest := n - st.to - kept; rest > 0 {
		cpu.CopyStrip(t.piece.rows, rest, dst.From(st.to+kept), with)
	}
}
