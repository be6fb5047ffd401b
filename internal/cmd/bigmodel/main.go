// Command bigmodel makes models of 13 and 26 GB that take no room on the disk,
// and measures what lxtc does with them:
//
//	go run ./internal/cmd/bigmodel NAME FOLDER          make one
//	go run ./internal/cmd/bigmodel -lxtc bin/lxtc       make and measure all
//
// The names are those of the files in testdata/onnx/big.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lxtc/lxtc/internal/hollow"
)

func main() {
	lxtc := flag.String("lxtc", "", "the `binary` to measure")
	graphs := flag.String("graphs", filepath.Join("testdata", "onnx", "big"), "the `folder` of the packed graphs")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: bigmodel NAME FOLDER, or bigmodel -lxtc BINARY\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	err := run(*lxtc, *graphs, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "bigmodel:", err)
		os.Exit(1)
	}
}

func run(lxtc, graphs string, args []string) error {
	switch {
	case lxtc == "" && len(args) == 2:
		model, weights, err := hollow.Make(filepath.Join(graphs, args[0]+".onnx.gz"), args[1])
		if err == nil {
			fmt.Printf("%s: %.1f GB of weights, all 0\n", model, float64(weights)/1e9)
		}
		return err
	case lxtc != "" && len(args) == 0:
		return measure(lxtc, graphs)
	}
	flag.Usage()
	os.Exit(2)
	return nil
}
