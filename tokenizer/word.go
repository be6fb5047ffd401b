package tokenizer

// word is a list of pieces in which neighbours are merged. A heap of candidate merges keeps the whole at n log n:
// without a pre-tokenizer a word is as long as the text.
type word struct {
	symbols []symbol
	heap    []candidate
}

type symbol struct {
	piece
	prev, next int // -1 at the ends
	gone       bool
}

// candidate is a merge of the symbol at an index with the one after it.
type candidate struct {
	merge
	at int
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

func (w *word) add(ps ...piece) {
	for _, p := range ps {
		n := len(w.symbols)
		if n > 0 {
			w.symbols[n-1].next = n
		}
		w.symbols = append(w.symbols, symbol{piece: p, prev: n - 1, next: -1})
	}
}

func (w *word) mergeAll(merges map[pair]merge) {
	for i := range w.symbols {
		w.propose(i, merges)
	}
	for len(w.heap) > 0 {
		c := w.pop()
		left := &w.symbols[c.at]
		if left.gone || left.next < 0 {
			continue
		}
		right := &w.symbols[left.next]
		if m, ok := merges[pair{left.id, right.id}]; !ok || m.id != c.id {
			continue // proposed before one of the two changed
		}
		left.id, left.start, left.end = c.id, min(left.start, right.start), max(left.end, right.end)
		left.next, right.gone = right.next, true
		if left.next >= 0 {
			w.symbols[left.next].prev = c.at
		}
		if left.prev >= 0 {
			w.propose(left.prev, merges)
		}
		w.propose(c.at, merges)
	}
}

// propose puts the merge of symbol i with the next one on the heap, if there is such a merge.
func (w *word) propose(i int, merges map[pair]merge) {
	next := w.symbols[i].next
	if next < 0 {
		return
	}
	if m, ok := merges[pair{w.symbols[i].id, w.symbols[next].id}]; ok {
		w.push(candidate{m, i})
	}
}

func (w *word) pieces() []piece {
	out := make([]piece, 0, len(w.symbols))
	for _, s := range w.symbols {
		if !s.gone {
			out = append(out, s.piece)
		}
	}
	return out
}

// push and pop keep heap[0] the first candidate. container/heap would box each one.
func (w *word) push(c candidate) {
	w.heap = append(w.heap, c)
	for i := len(w.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !w.heap[i].before(w.heap[up]) {
			return
		}
		w.heap[i], w.heap[up] = w.heap[up], w.heap[i]
		i = up
	}
}

func (w *word) pop() candidate {
	h := w.heap
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	w.heap = h
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < last && h[down+1].before(h[down]) {
			down++
		}
		if down >= last || !h[down].before(h[i]) {
			return top
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
