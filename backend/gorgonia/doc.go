// Package gorgonia runs models on Gorgonia's tape machine, with values and
// kernels of its own.
//
// One node of the IR, or a group of fused ones, is one node of a
// gorgonia.ExprGraph whose Op is ours and which computes on our Value, not on tensor.Dense: that gives every element
// type, views, empty tensors and shapes that change from run to run. What
// Gorgonia costs is about a microsecond a node.
//
// Facts about Gorgonia v0.9.18 that the design rests on, each with a test:
//
//   - The tape runs nodes in the order in which they were created, so the IR's
//     schedule is the real one.
//   - Compiling is quadratic in the number of nodes. A program is cut into
//     segments, about one a layer, each an ExprGraph of its own; segments of
//     equal structure share one, and their weights are bound anew.
//   - Compiling merges nodes whose 32-bit hashes are equal, without comparing
//     them. The identity of our ops is salted until every hash is new.
//   - A machine keeps every value until it is reset. Our ops count the uses of
//     their values and give buffers back after the last one.
//   - A panic in an op ends the process, because ops run on Gorgonia's own
//     goroutine. Do recovers.
//
// # Kernels
//
// kernels.go lists the kernels, by operator and element types. A kernel is a
// function of a call: it reads c.in, takes memory from c.new or c.reuse, and
// returns new values or views. What it has taken and does not return goes back
// by itself. Nodes without a kernel run in the reference interpreter, which is
// slow; Interpreted lists them.
//
// # Stored weights
//
// A weight of a small type that only products read stays as it is stored: the node
// that would unpack it makes a Value without elements, which knows what its memory
// stands for, and products make float32s of a panel at a time.
//
//	stored.go                which nodes keep their results so
//	stored_make.go           the nodes that would unpack a weight
//	stored_views.go          views, chosen items (experts, rows of a table), and
//	                         functions that a rule applies to a weight
//	kernel_matmul_stored.go  the products
//
// A function, such as max(w, 0), of a weight is made of the panel, too, also where
// the weight is of float32s. A convolution unpacks its weight for the time of a call:
// it reads all of it for every block of positions.
//
// # Fused steps
//
//	fuse.go         which nodes of a segment run together: those that work row by row
//	rows.go         what such a group reads and writes
//	layout.go       where the values of a few rows lie: inputs, results, a thread's memory
//	blocks.go       running it, a few rows at a time
//	kernel_rows.go  the operators, on those rows
//	whole.go        running it on whole tensors, where there are too few rows
//	scores.go       the product before them, where a mask or a zero makes part of it moot
//	columns.go      ... and the columns that they can then leave out themselves
//	bands.go        where values are 0, as measured, and products that skip it
//
// None of it changes a bit of a result, the sign of zeros apart; the tests compare
// with the nodes run one by one. Nothing is assumed about masks: they are looked at
// in every run, and zeros are skipped only where the other factor is finite.
package gorgonia
