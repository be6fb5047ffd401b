package backendtest

import (
	"fmt"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// tensorOf returns a tensor of any numeric type with elements xs.
func tensorOf(elem ir.DType, shape []int, xs []float64) (*ir.Tensor, error) {
	a := reference.NewArray(elem, shape...)
	if len(xs) != a.Len() {
		return nil, fmt.Errorf("%d elements for shape %v", len(xs), shape)
	}
	for i, x := range xs {
		if a.F != nil {
			a.F[i] = x
		} else {
			a.I[i] = int64(x)
		}
	}
	return a.Tensor()
}
