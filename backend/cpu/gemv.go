package cpu

// vectors computes products with one row or one column: each reads its matrix
// once, so memory is the limit and there is nothing to pack.
func (e *Engine) vectors(g product, nb int, offA, offB, offC []int) {
	for i := range nb {
		p := g.at(offA[i], offB[i], offC[i])
		if g.stored != nil && g.n == 1 {
			buf := borrow(&e.large, g.k)
			defer e.large.Put(buf)
			p.b, p.stored = p.columnOfB(e, (*buf)[:g.k]), nil
		}
		if g.n == 1 && g.m > 1 { // C = A·b is Cᵀ = bᵀ·Aᵀ
			p.a, p.b = flip(p.b), flip(p.a)
			p.n, p.c.ld = p.m, 1
			e.vector(p, g.c.ld)
			continue
		}
		e.vector(p, 1)
	}
}

func flip(o operand) operand {
	o.trans = !o.trans
	return o
}

// vector computes the row y (+)= x·op(B) of n elements, step apart in C; x is op(A) with one row.
func (e *Engine) vector(g product, step int) {
	buf := borrow(&e.large, g.k+g.n)
	defer e.large.Put(buf)
	x, y := g.a.data, g.c.data
	if g.a.trans && g.a.ld != 1 {
		x = (*buf)[:g.k]
		for p := range x {
			x[p] = g.a.data[p*g.a.ld]
		}
	}
	temp := step != 1 || g.accumulate
	if temp {
		y = (*buf)[g.k:][:g.n]
	}
	e.rowTimes(g, x, y)
	if !temp {
		return
	}
	for j, v := range y {
		if g.accumulate {
			v += g.c.data[j*step]
		}
		g.c.data[j*step] = v
	}
}

// rowTimes computes y = x·op(B), whole.
func (e *Engine) rowTimes(g product, x, y []float32) {
	width, do := 192, func(j, n int) { e.k.axpys(n, g.k, at(x, 0), at(g.b.data, j), g.b.ld, at(y, j)) }
	if g.b.trans {
		width, do = 64, func(j, n int) { e.k.dots(n, g.k, at(g.b.data, j*g.b.ld), g.b.ld, at(x, 0), at(y, j)) }
	}
	if g.stored != nil {
		e.rowTimesStored(g, x, y)
		return
	}
	if 2*g.n*g.k < serialFlops {
		do(0, g.n)
		return
	}
	e.Run(ceil(g.n, width), func(t int) { do(t*width, min(width, g.n-t*width)) })
}
