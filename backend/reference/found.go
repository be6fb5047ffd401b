package reference

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

var foundKernels = map[string]kernel{
	"NonMaxSuppression": nonMaxSuppression,
	"Unique":            unique,
	"TfIdfVectorizer":   tfIdf,
	"Det":               det,
}

// nonMaxSuppression takes, for each batch and class, the box of the highest
// score and drops those that overlap it too much, until none is left.
func nonMaxSuppression(n *ir.Node, in []*Array) ([]*Array, error) {
	boxes, scores := in[0], in[1]
	if len(boxes.Shape) != 3 || len(scores.Shape) != 3 || boxes.Shape[2] != 4 || scores.Shape[0] != boxes.Shape[0] || scores.Shape[2] != boxes.Shape[1] {
		return nil, fmt.Errorf("boxes of shape %v and scores of shape %v do not fit", boxes.Shape, scores.Shape)
	}
	most, overlap, least := int64(0), 0.0, math.Inf(-1)
	if v := arg(in, 2); v != nil {
		most = v.I[0]
	}
	if v := arg(in, 3); v != nil {
		overlap = v.F[0]
	}
	if v := arg(in, 4); v != nil {
		least = v.F[0]
	}
	count := boxes.Shape[1]
	var found []int64
	for i, at := range each(scores.Shape[:2]) {
		score := scores.F[i*count:][:count]
		order := make([]int, 0, count)
		for k, s := range score {
			if s > least {
				order = append(order, k)
			}
		}
		slices.SortStableFunc(order, func(j, k int) int { return cmp.Compare(score[k], score[j]) })
		var kept []rectangle
		for _, k := range order {
			r := rectangleOf(boxes.F[(at[0]*count+k)*4:][:4], n.Attrs.Int("center_point_box", 0) != 0)
			if int64(len(kept)) >= most {
				break
			}
			if slices.ContainsFunc(kept, func(q rectangle) bool { return q.overlap(r) > overlap }) {
				continue
			}
			kept = append(kept, r)
			found = append(found, int64(at[0]), int64(at[1]), int64(k))
		}
	}
	return []*Array{{Elem: ir.Int64, Shape: []int{len(found) / 3, 3}, I: found}}, nil
}

type rectangle struct{ x1, y1, x2, y2 float64 }

// rectangleOf reads y1, x1, y2, x2 of any two corners or, centred, the middle x,
// y with the width and height.
func rectangleOf(b []float64, centred bool) rectangle {
	if centred {
		return rectangle{b[0] - b[2]/2, b[1] - b[3]/2, b[0] + b[2]/2, b[1] + b[3]/2}
	}
	return rectangle{min(b[1], b[3]), min(b[0], b[2]), max(b[1], b[3]), max(b[0], b[2])}
}

func (r rectangle) area() float64 { return max(0, r.x2-r.x1) * max(0, r.y2-r.y1) }

// overlap is the area in common over the area of both.
func (r rectangle) overlap(q rectangle) float64 {
	both := rectangle{max(r.x1, q.x1), max(r.y1, q.y1), min(r.x2, q.x2), min(r.y2, q.y2)}.area()
	if both == 0 {
		return 0
	}
	return both / (r.area() + q.area() - both)
}

func unique(n *ir.Node, in []*Array) ([]*Array, error) {
	x, axis := in[0], 0
	if n.Attrs.Has("axis") {
		var err error
		if axis, err = axisOf(n.Attrs.Int("axis", 0), len(x.Shape)); err != nil {
			return nil, err
		}
	} else {
		x = &Array{Elem: x.Elem, Shape: []int{x.Len()}, F: x.F, I: x.I, S: x.S}
	}
	slices1 := make([][]int, x.Shape[axis]) // the elements of each slice
	for i, at := range each(x.Shape) {
		slices1[at[axis]] = append(slices1[at[axis]], i)
	}
	compare := func(i, j int) int {
		return slices.CompareFunc(slices1[i], slices1[j], func(p, q int) int { return compareElems(x, p, q) })
	}
	order := make([]int, len(slices1))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, compare)
	first := NewArray(ir.Int64, 0) // the first of each kind, in ascending order
	kind := make([]int, len(order))
	for p, i := range order {
		if p == 0 || compare(order[p-1], i) != 0 {
			first.I = append(first.I, int64(i))
		}
		kind[i] = len(first.I) - 1
	}
	rank := make([]int, len(first.I)) // where each kind stands in the result
	for k := range rank {
		rank[k] = k
	}
	if n.Attrs.Int("sorted", 1) == 0 {
		byPlace := slices.Clone(rank)
		slices.SortFunc(byPlace, func(j, k int) int { return cmp.Compare(first.I[j], first.I[k]) })
		for p, k := range byPlace {
			rank[k] = p
		}
		slices.Sort(first.I)
	}
	first.Shape = []int{len(first.I)}
	inverse, counts := NewArray(ir.Int64, len(order)), NewArray(ir.Int64, len(first.I))
	for i, k := range kind {
		inverse.I[i] = int64(rank[k])
		counts.I[rank[k]]++
	}
	shape := slices.Clone(x.Shape)
	shape[axis] = len(first.I)
	step := steps(x.Shape)
	y, err := pick(x, shape, nil, func(at []int) int {
		return dot(at, step) + (int(first.I[at[axis]])-at[axis])*step[axis]
	})
	return []*Array{y, first, inverse, counts}, err
}

func compareElems(x *Array, i, j int) int {
	switch {
	case x.F != nil:
		return cmp.Compare(x.F[i], x.F[j])
	case x.S != nil:
		return cmp.Compare(x.S[i], x.S[j])
	case x.Elem == ir.Uint64:
		return cmp.Compare(uint64(x.I[i]), uint64(x.I[j]))
	}
	return cmp.Compare(x.I[i], x.I[j])
}

// tfIdf counts the n-grams of a pool in each row. The words of an n-gram may be
// up to max_skip_count words apart, the same number between any two.
func tfIdf(n *ir.Node, in []*Array) ([]*Array, error) {
	x, as := in[0], n.Attrs
	if x.I == nil || as.Has("pool_strings") {
		return nil, fmt.Errorf("n-grams of %s are not supported, only of int32 and int64", x.Elem)
	}
	pool, starts, places, weights := as.Ints("pool_int64s"), as.Ints("ngram_counts"), as.Ints("ngram_indexes"), as.Floats("weights")
	width := 0
	for _, p := range places {
		width = max(width, int(p)+1)
	}
	rows, shape := 1, []int{width}
	if len(x.Shape) == 2 {
		rows, shape = x.Shape[0], []int{x.Shape[0], width}
	}
	out, err := alloc(ir.Float, shape...)
	if err != nil || rows == 0 {
		return []*Array{out}, err
	}
	length, gram := x.Len()/rows, 0 // gram numbers the n-grams of the pool
	for k, from := range starts {
		size, end := k+1, int64(len(pool))
		if k+1 < len(starts) {
			end = starts[k+1]
		}
		if from < 0 || end > int64(len(pool)) || from > end {
			return nil, fmt.Errorf("ngram_counts %v for a pool of %d", starts, len(pool))
		}
		for at := int(from); at+size <= int(end); at, gram = at+size, gram+1 {
			if int64(size) < as.Int("min_gram_length", 1) || int64(size) > as.Int("max_gram_length", 1) {
				continue
			}
			for r := range rows {
				seen := occurrences(x.I[r*length:][:length], pool[at:][:size], int(as.Int("max_skip_count", 0)))
				to := &out.F[r*width+int(places[gram])]
				switch mode := as.String("mode", "TF"); {
				case seen == 0:
				case mode == "IDF":
					*to = weight(weights, gram)
				case mode == "TFIDF":
					*to += float64(seen) * weight(weights, gram)
				default:
					*to += float64(seen)
				}
			}
		}
	}
	return []*Array{out}, nil
}

func weight(ws []float32, i int) float64 {
	if i < len(ws) {
		return float64(ws[i])
	}
	return 1
}

// occurrences counts the places in row at which the words of gram stand, from 0
// to skips words apart. A single word has nothing to skip.
func occurrences(row, gram []int64, skips int) int {
	if len(gram) == 1 {
		skips = 0
	}
	seen := 0
	for step := 1; step <= skips+1; step++ {
		for from := 0; from+(len(gram)-1)*step < len(row); from++ {
			same := true
			for j, word := range gram {
				same = same && row[from+j*step] == word
			}
			if same {
				seen++
			}
		}
	}
	return seen
}

// det eliminates with the largest pivot of each column.
func det(_ *ir.Node, in []*Array) ([]*Array, error) {
	x, r := in[0], len(in[0].Shape)
	if r < 2 || x.Shape[r-1] != x.Shape[r-2] {
		return nil, fmt.Errorf("shape %v, want square matrices", x.Shape)
	}
	size := x.Shape[r-1]
	out := NewArray(x.Elem, x.Shape[:r-2]...)
	for m := range out.F {
		a, d := slices.Clone(x.F[m*size*size:][:size*size]), 1.0
		for k := range size {
			pivot := k
			for i := k + 1; i < size; i++ {
				if math.Abs(a[i*size+k]) > math.Abs(a[pivot*size+k]) {
					pivot = i
				}
			}
			if pivot != k {
				d = -d
				for j := range size {
					a[k*size+j], a[pivot*size+j] = a[pivot*size+j], a[k*size+j]
				}
			}
			d *= a[k*size+k]
			if d == 0 {
				break
			}
			for i := k + 1; i < size; i++ {
				f := a[i*size+k] / a[k*size+k]
				for j := k; j < size; j++ {
					a[i*size+j] -= f * a[k*size+j]
				}
			}
		}
		out.F[m] = d
	}
	return []*Array{out}, nil
}
