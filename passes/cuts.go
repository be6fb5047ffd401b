package passes

import (
	"cmp"
	"math"
	"slices"
)

// maxCuts bounds the places that are considered for cuts, and with them the time
// that choosing takes.
const maxCuts = 512

// chooseCuts returns the places behind which to cut a forward pass of n nodes, in
// order. What passes a cut is kept for all of the run; what relevance reads inside
// a block is there only while that block is worked on. The sum of the former and
// the largest of the latter is least, as far as blocks no larger than some bound
// reach it, for bounds that shrink by an eighth.
func chooseCuts(all []*held, n int) []int {
	at := places(all, n)
	kept, inside := costs(all, at)
	var best []int
	least := int64(math.MaxInt64)
	end := len(at) - 1
	for bound := inside[end][0]; ; bound -= max(bound/8, 1) {
		cuts, memory := cheapest(kept, inside, bound)
		if cuts == nil {
			break
		}
		if memory < least {
			best, least = cuts, memory
		}
		if bound == 0 {
			break
		}
	}
	for i, k := range best {
		best[i] = at[k]
	}
	return best
}

// places returns -1, the places where less passes than at those around them, and
// the last place.
func places(all []*held, n int) []int {
	live := make([]int64, n+1)
	for _, h := range all {
		live[h.def] += h.bytes
		live[h.last] -= h.bytes
	}
	for p := 1; p < n; p++ {
		live[p] += live[p-1]
	}
	var at []int
	for p := 1; p < n-1; p++ {
		if live[p] <= live[p-1] && live[p] < live[p+1] {
			at = append(at, p)
		}
	}
	if len(at) > maxCuts {
		slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(live[a], live[b]) })
		at = at[:maxCuts]
		slices.Sort(at)
	}
	return append(append([]int{-1}, at...), n-1)
}

// costs returns, for a cut at place j whose predecessor is at place i < j, the
// bytes that pass j and not i, and those that relevance reads inside the block
// between.
func costs(all []*held, at []int) (kept, inside [][]int64) {
	read := make([]int64, len(at)) // what relevance reads of nodes up to a place
	for _, h := range all {
		if h.late {
			j, _ := slices.BinarySearch(at, h.def)
			read[j] += h.bytes
		}
	}
	for j := 1; j < len(at); j++ {
		read[j] += read[j-1]
	}
	kept, inside = make([][]int64, len(at)), make([][]int64, len(at))
	for j := range at {
		kept[j], inside[j] = make([]int64, j), make([]int64, j)
		passing := make([]int64, j+1) // by the place that they are computed up to
		passingLate := make([]int64, j+1)
		for _, h := range all {
			if h.passesCut(at[j]) {
				i, _ := slices.BinarySearch(at, h.def)
				passing[i] += h.bytes
				if h.late {
					passingLate[i] += h.bytes
				}
			}
		}
		var k, l int64
		for i := j - 1; i >= 0; i-- {
			k, l = k+passing[i+1], l+passingLate[i+1]
			kept[j][i], inside[j][i] = k, read[j]-read[i]-l
		}
	}
	return kept, inside
}

// cheapest returns the cuts between the first and the last place that keep least
// while no block has more than bound bytes inside, and what they take: what is
// kept and the largest block. It returns nil if there are none.
func cheapest(kept, inside [][]int64, bound int64) (cuts []int, memory int64) {
	sum, from := make([]int64, len(kept)), make([]int, len(kept))
	for j := 1; j < len(kept); j++ {
		sum[j], from[j] = math.MaxInt64, -1
		for i := range j {
			if inside[j][i] <= bound && sum[i] < math.MaxInt64 && sum[i]+kept[j][i] < sum[j] {
				sum[j], from[j] = sum[i]+kept[j][i], i
			}
		}
	}
	end := len(kept) - 1
	if from[end] < 0 {
		return nil, 0
	}
	cuts = []int{}
	largest := inside[end][from[end]]
	for j := from[end]; j > 0; j = from[j] {
		cuts = append(cuts, j)
		largest = max(largest, inside[j][from[j]])
	}
	slices.Reverse(cuts)
	return cuts, sum[end] + largest
}
