package main

import (
	"slices"
	"sync"

	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/ir"
)

// kernels is what gorgonia ran the operators of all tests with.
type kernels struct {
	mu          sync.Mutex
	fast        map[ir.OpName]bool
	interpreted map[ir.OpName]bool
}

// saw takes down the nodes of a model that was compiled.
func (k *kernels) saw(m *ir.Model) {
	k.mu.Lock()
	defer k.mu.Unlock()
	slow := gorgonia.Interpreted(m)
	for n := range m.Graph.Nodes() {
		if slices.Contains(slow, n) {
			k.interpreted[n.Op] = true
		} else {
			k.fast[n.Op] = true
		}
	}
}

func (k *kernels) of(op *ir.Op) string {
	switch {
	case k.fast[op.Name]:
		return "fast"
	case k.interpreted[op.Name]:
		return "interpreter"
	case op.Body != nil:
		return "in parts"
	}
	return ""
}
