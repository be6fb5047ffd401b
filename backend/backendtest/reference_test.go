package backendtest_test

import (
	"testing"

	"github.com/lxtc/lxtc/backend/backendtest"
	"github.com/lxtc/lxtc/backend/reference"
)

func TestReference(t *testing.T) { backendtest.RunAll(t, reference.New()) }
