package gorgonia

import (
	"testing"

	"github.com/lxtc/lxtc/backend/backendtest"
)

func TestBackend(t *testing.T) { backendtest.RunAll(t, New()) }
