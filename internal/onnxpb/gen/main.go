// Command gen writes internal/onnxpb's onnx.proto and onnx.pb.go from the
// onnx-ml.proto of an onnx release. It needs no protoc: protocompile parses,
// gogo's own generator (the gogofaster preset) writes the Go code.
//
//	go run . -proto path/to/onnx-ml.proto -version 1.23.2 -out ..
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	in := flag.String("proto", "", "the onnx-ml.proto of an onnx release")
	version := flag.String("version", "", "the release it is from, written into the header")
	out := flag.String("out", "..", "folder for onnx.proto and onnx.pb.go")
	flag.Parse()
	if *in == "" || *version == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*in, *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run converts the schema at in and writes both files to the folder out.
func run(in, version, out string) error {
	src, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	schema, err := convert(string(src), version)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	code, err := generate(schema)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, protoName), []byte(schema), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, codeName), []byte(code), 0o644)
}
