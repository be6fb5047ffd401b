package main

import (
	"os"
	"strings"
	"testing"
)

func TestCheckedInCodeIsGenerated(t *testing.T) {
	schema, err := os.ReadFile("../" + protoName)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../" + codeName)
	if err != nil {
		t.Fatal(err)
	}
	got, err := generate(string(schema))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the generator makes of %s: run it again", codeName, protoName)
	}
}

func TestConvert(t *testing.T) {
	const src = `syntax = "proto2";
package onnx;
message TensorProto {
  optional string name = 8; // an optional name
  repeated int64 dims = 1;
  repeated float float_data = 4 [packed = true];
  repeated string string_data = 6;
  optional bytes raw_data = 9;
}
`
	got, err := convert(src, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"from onnx 1.2.3;",
		"syntax = \"proto3\";\npackage lxtc.onnx;\n",
		"  string name = 8; // an optional name\n",
		"  repeated int64 dims = 1 [packed = false];\n",
		"  repeated float float_data = 4 [packed = true];\n",
		"  repeated string string_data = 6;\n",
		"  bytes raw_data = 9 [(gogoproto.customtype) = \"RawBytes\"];\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if _, err := convert(strings.Replace(src, "raw_data", "bytes_data", 1), "1.2.3"); err == nil {
		t.Error("a schema without raw_data is accepted")
	}
}
