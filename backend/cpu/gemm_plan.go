package cpu

// Blocking. The optimum is flat: k blocks of 256 to 1024 differ by 4 %. Blocks of
// less than 576 cost time, and longer ones digits: an element's sum rounds once for
// each of its terms in a block, and once for each block.
const (
	kcMax  = 576 // k block: a packed B panel of 576×32 floats is 72 KiB of L2
	mcMax  = 560 // row block: 40 tiles of 14 rows use one packed panel
	ncMax  = 64  // columns of one task: small enough for threads to finish together
	rowMin = 56  // a task has at least this many rows, or packing B costs more than it gains

	// longMax is how much of C a task has if it is long, in floats: half of L2. In
	// pieces of 64 columns C's rows would be fetched a few lines at a time.
	longMax = 128 << 10

	directPanels = 5 // up to this many row tiles B is read where it lies

	// serialFlops is the size below which a product stays on its caller.
	serialFlops = 400_000
)

// products computes nb products whose slices have been checked.
func (e *Engine) products(g product, nb int, offA, offB, offC []int) {
	switch {
	case g.m == 0 || g.n == 0:
		return
	case g.k == 0:
		for _, oc := range offC[:nb] {
			g.at(0, 0, oc).clear()
		}
		return
	case g.m == 1 || g.n == 1:
		e.vectors(g, nb, offA, offB, offC)
		return
	}
	if crowded(g, e.k) {
		n := g.m * padded(g.k)
		slot, slots := distinct(offA[:nb], n)
		buf := borrow(&e.large, slots*n)
		defer e.large.Put(buf)
		e.copyA(g, nb, offA, slot, *buf)
		g.a, offA = operand{data: *buf, ld: padded(g.k)}, slot
	}
	p := e.plan(g, nb)
	work := func(i int) {
		item, rest := i/(p.mTasks*p.nTasks), i%(p.mTasks*p.nTasks)
		i0, j0 := rest/p.nTasks*p.mc, rest%p.nTasks*p.nc
		e.block(g.at(offA[item], offB[item], offC[item]), i0, min(g.m, i0+p.mc), j0, min(g.n, j0+p.nc))
	}
	if 2*g.m*g.n*g.k*nb < serialFlops {
		for i := range p.tasks {
			work(i)
		}
		return
	}
	e.Run(p.tasks, work)
}

// clear sets C to zero unless it accumulates: the product with k = 0.
func (g product) clear() {
	if g.accumulate {
		return
	}
	for i := range g.m {
		clear(g.c.data[i*g.c.ld:][:g.n])
	}
}

// distinct gives every offset the place of its copy, size elements each; equal
// neighbours, as a broadcast operand has them, share one.
func distinct(off []int, size int) (slot []int, slots int) {
	slot = make([]int, len(off))
	for i := range off {
		if i == 0 || off[i] != off[i-1] {
			slots++
		}
		slot[i] = (slots - 1) * size
	}
	return slot, slots
}

// padded is a row length, in elements, whose rows do not fall into few cache sets.
func padded(k int) int {
	k = (k + 15) &^ 15
	if k%256 == 0 {
		k += 16
	}
	return k
}

// crowded says that the rows of A lie so far apart that those of one tile fall in one
// set of an L1 cache, whose ways repeat every 4 KiB, or, if they are read along columns,
// in few sets of L2; and that enough columns use them for a copy to pay.
func crowded(g product, k *kernels) bool {
	apart := 1024
	if g.a.trans {
		apart = 256
	}
	return g.a.ld%apart == 0 && g.m > 4 && g.n > 2*k.nr
}

// copyA writes op(A) of every distinct offset, not transposed and with padded rows, to dst.
func (e *Engine) copyA(g product, nb int, offA, slot []int, dst []float32) {
	const rows = 64
	blocks := (g.m + rows - 1) / rows
	ld := padded(g.k)
	e.Run(nb*blocks, func(t int) {
		item, i0 := t/blocks, t%blocks*rows
		if item > 0 && slot[item] == slot[item-1] {
			return
		}
		i1 := min(g.m, i0+rows)
		a := g.a.from(offA[item])
		d := dst[slot[item]+i0*ld:]
		if a.trans {
			transposeBlock(e.k, i1-i0, g.k, at(a.data, i0), a.ld, at(d, 0), ld)
			return
		}
		for i := i0; i < i1; i++ {
			copy(d[(i-i0)*ld:][:g.k], a.data[i*a.ld:])
		}
	})
}

// plan is how a batch of products is cut into tasks of mc rows and nc columns.
type plan struct {
	mc, nc         int
	mTasks, nTasks int
	tasks          int
}

// plan cuts columns first, since tasks that share columns pack the same B twice,
// and rows only if there are too few columns to balance.
func (e *Engine) plan(g product, nb int) plan {
	threads, most := e.Threads(), ncMax
	if g.long {
		most = max(ncMax, min(longMax/g.m, panelRoom/min(g.k, kcMax))&^(ncMax-1))
	}
	p := plan{mc: g.m, nc: e.k.nr * panels(ceil(g.n, e.k.nr), nb, threads, most/e.k.nr)}
	if t, want := nb*ceil(g.n, p.nc), 4*threads; threads > 1 && t < want {
		p.mc = max(rowMin, ceil(g.m, ceil(want, t)))
		p.mc = ceil(p.mc, e.k.mr) * e.k.mr
	}
	p.mTasks, p.nTasks = ceil(g.m, p.mc), ceil(g.n, p.nc)
	p.tasks = nb * p.mTasks * p.nTasks
	return p
}

// panels is how many of np column panels one task has, at most most: the number
// with which the threads finish together, where a panel fewer in a task costs about 2 %
// since A is read again for every task.
func panels(np, nb, threads, most int) int {
	best, least := most, 0
	for q := most; q >= 1; q-- {
		slowest := ceil(nb*ceil(np, q), threads) * q * (100 + 2*(most-q))
		if q == most || slowest < least {
			best, least = q, slowest
		}
	}
	return best
}

func ceil(a, b int) int { return (a + b - 1) / b }

// block computes rows i0 to i1 and columns j0 to j1 of one product. Every element
// of C is the sum of its k blocks in order, wherever the task borders are: so the
// number of threads does not change a bit.
func (e *Engine) block(g product, i0, i1, j0, j1 int) {
	nr := e.k.nr
	buf := borrow(&e.bufs, panelRoom)
	defer e.bufs.Put(buf)
	kb := (ceil(g.k, ceil(g.k, kcMax)) + 15) &^ 15
	direct := e.readsInPlace(g, min(g.k, kb))
	for i := i0; i < i1; i += mcMax {
		for p := 0; p < g.k; p += kb {
			kc := min(kb, g.k-p)
			b, next := slab{at(*buf, 0), nr, kc * nr}, rowsAhead{}
			packed := j0
			if direct { // what is left then has fewer columns than a panel
				b, packed = slab{at(g.b.data, p*g.b.ld+j0), g.b.ld, nr}, j0+(min(j1, g.n)-j0)/nr*nr
				e.tiles(g, i, min(i1, i+mcMax), p, kc, j0, packed, b, next)
				b = slab{at(*buf, 0), nr, kc * nr}
			} else {
				next = e.packedNext(g, p, kb, j0, j1)
			}
			for j := packed; j < j1; j += nr {
				e.packB(g, p, kc, j, (*buf)[(j-packed)*kc:])
			}
			e.tiles(g, i, min(i1, i+mcMax), p, kc, packed, j1, b, next)
		}
	}
}

// panelRoom is what the packed panels of a task take.
const panelRoom = kcMax * ncMax

// A slab is the columns of B that a task needs, as many at a time as the tile has:
// rows ld elements apart, and next elements from one panel to the next.
type slab struct {
	b        *float32
	ld, next int
}

// rowsAhead are rows of B that will be packed soon.
type rowsAhead struct {
	first       *float32
	rows, bytes int
	ld          int
}

// packedNext is what is packed after block p of k of a task with columns j0 to j1.
// What this thread will do after the task is a guess: threads take tasks
// in turn. Weights come from memory, and packing waits for it otherwise (2 %).
func (e *Engine) packedNext(g product, p, kb, j0, j1 int) rowsAhead {
	j, width := j0, j1-j0
	if p += kb; p >= g.k {
		p, j = 0, j0+width*e.Threads()
	}
	if j >= g.n || g.stored != nil { // which is small
		return rowsAhead{}
	}
	kc, cols := min(kb, g.k-p), min(width, g.n-j)
	if g.b.trans {
		return rowsAhead{at(g.b.data, j*g.b.ld+p), cols, 4 * kc, g.b.ld}
	}
	return rowsAhead{at(g.b.data, p*g.b.ld+j), kc, 4 * cols, g.b.ld}
}

// fetch prefetches part t of n.
func (r rowsAhead) fetch(e *Engine, t, n int) {
	lo, hi := r.rows*t/n, r.rows*(t+1)/n
	if lo < hi {
		e.k.prefetch(hi-lo, r.bytes, shift(r.first, lo*r.ld), r.ld)
	}
}

// packB lays B[p:p+kc, j:j+nr] out for the tiles. A matrix of another type becomes
// float32s here.
func (e *Engine) packB(g product, p, kc, j int, dst []float32) {
	cols := min(e.k.nr, g.n-j)
	if g.stored != nil {
		e.packStored(g, p, kc, j, cols, dst)
		return
	}
	if g.b.trans {
		e.k.packT(kc, cols, g.b.data[j*g.b.ld+p:], g.b.ld, dst)
		return
	}
	e.k.packN(kc, cols, g.b.data[p*g.b.ld+j:], g.b.ld, dst)
}

// tiles computes C[i0:i1, j0:j1] (+)= A[i0:i1, p:p+kc]·b in tiles of nearly equal
// height, so that no tile has idle rows, and fetches next meanwhile. Rows of A that are
// in the first-level cache are used for all panels.
func (e *Engine) tiles(g product, i0, i1, p, kc, j0, j1 int, b slab, next rowsAhead) {
	tile, rowStep, a := e.k.tile, g.a.ld, i0*g.a.ld+p
	if g.a.trans {
		tile, rowStep, a = e.k.tileT, 1, p*g.a.ld+i0
	}
	n := ceil(i1-i0, e.k.mr)
	height, taller := (i1-i0)/n, (i1-i0)%n
	for t := range n {
		mr := height
		if t < taller {
			mr++
		}
		for j, at0 := j0, 0; j < j1; j, at0 = j+e.k.nr, at0+b.next {
			tile(mr, kc, at(g.a.data, a), g.a.ld, shift(b.b, at0), b.ld, at(g.c.data, i0*g.c.ld+j), g.c.ld, g.accumulate || p > 0, min(e.k.nr, g.n-j))
		}
		if cols := min(j1, g.n) - j0; g.bias != nil && p+kc == g.k && cols > 0 { // while it is in the cache
			for i := i0; i < i0+mr; i++ {
				row := at(g.c.data, i*g.c.ld+j0)
				e.k.binary[Add].vs(cols, row, g.bias[i], row)
			}
		}
		next.fetch(e, t, n)
		i0 += mr
		a += mr * rowStep
	}
}

// readsInPlace says that B is used by so few row tiles that packing it does not
// pay; a row stride that crowds few cache sets is bearable only for the fewest.
func (e *Engine) readsInPlace(g product, kc int) bool {
	if g.b.trans || g.stored != nil {
		return false
	}
	limit := e.k.mr * directPanels
	return g.m <= limit || g.m <= 2*limit && !conflicts(4*g.b.ld, kc)
}

// conflicts says whether rows rows this many bytes apart crowd few sets of a
// 1 MiB 16-way cache.
func conflicts(stride, rows int) bool {
	sets := 1024
	for l := stride / 64; sets > 1 && (l%sets != 0 || stride%64 != 0); sets /= 2 {
	}
	return 2*16*(1024/sets) < 3*rows
}
