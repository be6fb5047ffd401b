package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// A test is one model with inputs and the outputs that ONNX expects.
type test struct {
	name, dir string
	model     []byte
	op        ir.OpName // what the test is about
	beyond    string    // why lxtc does not try: "strings"; "" if it does
	inputs    []string  // names, in the order of the files
	outputs   []string
}

// find reads the tests below folder, sorted by name.
func find(folder string, match *regexp.Regexp) ([]*test, error) {
	models, err := filepath.Glob(filepath.Join(folder, "*", "model.onnx"))
	if err != nil {
		return nil, err
	}
	ops := map[string]ir.OpName{}
	var tests []*test
	for _, file := range models {
		t, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		ops[t.name] = t.op
		if match.MatchString(t.name) {
			tests = append(tests, t)
		}
	}
	for _, t := range tests { // a test of an operator's body is one of the operator
		if whole, _, ok := strings.Cut(t.name, "_expanded"); ok {
			if op, ok := ops[whole]; ok {
				t.op = op
			}
		}
	}
	return tests, nil
}

func read(file string) (*test, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := onnxpb.Unmarshal(b)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(file)
	t := &test{name: filepath.Base(dir), dir: dir, model: b, op: subject(p.Graph)}
	t.beyond = beyond(t.name, p)
	for _, v := range p.Graph.Input {
		t.inputs = append(t.inputs, v.Name)
	}
	for _, v := range p.Graph.Output {
		t.outputs = append(t.outputs, v.Name)
	}
	return t, nil
}

// subject returns the operator that a graph is about: the first one that is no
// mere preparation.
func subject(g *onnxpb.GraphProto) ir.OpName {
	var first ir.OpName
	for i, n := range g.Node {
		name := ir.OpName{Domain: n.Domain, Name: n.OpType}
		if name.Domain == "ai.onnx" {
			name.Domain = ""
		}
		if i == 0 {
			first = name
		}
		if !slices.Contains([]string{"Constant", "Identity", "Cast", "SequenceEmpty"}, n.OpType) {
			return name
		}
	}
	return first
}

// random operators have results that no two libraries share.
var random = []string{"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}

// beyond says why a test is of what lxtc does not try to do, a compiler of
// inference over tensors of numbers; "" if it is not.
func beyond(name string, p *onnxpb.ModelProto) string {
	for _, o := range p.OpsetImport {
		if strings.Contains(o.Domain, "training") {
			return "training"
		}
	}
	if strings.Contains(name, "train") {
		return "training"
	}
	for _, vs := range [][]*onnxpb.ValueInfoProto{p.Graph.Input, p.Graph.Output, p.Graph.ValueInfo} {
		for _, v := range vs {
			switch t := v.GetType().GetValue().(type) {
			case *onnxpb.TypeProto_SequenceType, *onnxpb.TypeProto_OptionalType, *onnxpb.TypeProto_MapType:
				return "sequences, optionals and maps"
			case *onnxpb.TypeProto_TensorType:
				if ir.DType(t.TensorType.ElemType) == ir.String {
					return "strings"
				}
			}
		}
	}
	return beyondNodes(p.Graph.Node)
}

func beyondNodes(nodes []*onnxpb.NodeProto) string {
	for _, n := range nodes {
		switch {
		case strings.HasPrefix(n.OpType, "Sequence"), strings.HasPrefix(n.OpType, "Optional"), n.OpType == "SplitToSequence", n.OpType == "ConcatFromSequence":
			return "sequences, optionals and maps"
		case slices.Contains(random, n.OpType):
			return "random numbers"
		}
		for _, a := range n.Attribute {
			if a.G != nil {
				if why := beyondNodes(a.G.Node); why != "" {
					return why
				}
			}
		}
	}
	return ""
}
