package view

import "slices"

// Rails are the tensors that pass a row, as columns. A tensor keeps its column
// from the row that computes it to the last that reads it.
type Rails struct {
	Dot   int   `json:"dot"`             // the column of the row's own output
	Pass  []int `json:"pass,omitempty"`  // columns of tensors that pass by
	Enter []int `json:"enter,omitempty"` // columns of tensors that the row reads
	Leave bool  `json:"leave,omitempty"` // a later row reads the output
	Width int   `json:"width"`           // columns in use
}

// layRails gives every computed tensor the first column that is free while it
// lives. Several outputs of one row share a rail.
func layRails(rows []Row) {
	last := make([]int, len(rows)) // the last reader of each row's outputs
	for i := range rows {
		last[i] = i
		for _, a := range rows[i].In {
			if a.From >= 0 {
				last[a.From] = i
			}
		}
	}
	var columns []int // the row whose output is in a column; -1 is free
	place := make([]int, len(rows))
	for i := range rows {
		r := &rows[i].Rails
		for _, a := range rows[i].In {
			if a.From >= 0 && !slices.Contains(r.Enter, place[a.From]) {
				r.Enter = append(r.Enter, place[a.From])
			}
		}
		for c, from := range columns {
			if from >= 0 && last[from] > i {
				r.Pass = append(r.Pass, c)
			}
		}
		for c, from := range columns { // what was read last here makes room
			if from >= 0 && last[from] <= i {
				columns[c] = -1
			}
		}
		c := slices.Index(columns, -1)
		if c < 0 {
			c = len(columns)
			columns = append(columns, -1)
		}
		r.Dot, place[i] = c, c
		if r.Leave = last[i] > i; r.Leave {
			columns[c] = i
		}
		for len(columns) > 0 && columns[len(columns)-1] < 0 {
			columns = columns[:len(columns)-1]
		}
		r.Width = max(len(columns), c+1)
		for _, e := range r.Enter {
			r.Width = max(r.Width, e+1)
		}
	}
}
