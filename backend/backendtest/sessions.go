package backendtest

import (
	"testing"

	"github.com/lxtc/lxtc/backend"
)

func testGraphs(t *testing.T, b backend.Backend)   {}
func testErrors(t *testing.T, b backend.Backend)   {}
func testSessions(t *testing.T, b backend.Backend) {}
