// Lxtc explains ONNX models by Layer-wise Relevance Propagation. See
// `lxtc help`.
package main

import (
	"os"

	"github.com/lxtc/lxtc/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
