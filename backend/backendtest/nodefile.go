package backendtest

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/lxtc/lxtc/ir"
)

// A NodeCase is one operator on operands, with what somebody else computed.
type NodeCase struct {
	Name  string
	Op    string // as ir.ParseOpName reads it
	Attrs ir.Attrs
	In    []*ir.Tensor // nil for an input that is omitted
	Names []string     // of the outputs; "" for one that is omitted
	Out   []*ir.Tensor // of the outputs that are there, in order
}

// ReadNodes reads a file of cases, a line of JSON each, packed by gzip: what the
// scripts in testdata/gen/ops write.
func ReadNodes(file string) ([]NodeCase, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cases, err := readNodes(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return cases, nil
}

func readNodes(r io.Reader) ([]NodeCase, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	var cases []NodeCase
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var j nodeJSON
		if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
			return nil, err
		}
		c, err := j.node()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.Name, err)
		}
		cases = append(cases, c)
	}
	return cases, lines.Err()
}

type nodeJSON struct {
	Name  string        `json:"name"`
	Op    string        `json:"op"`
	Attrs []attrJSON    `json:"attrs"`
	In    []*tensorJSON `json:"in"`
	Names []string      `json:"names"`
	Out   []*tensorJSON `json:"out"`
}

type attrJSON struct {
	Name  string          `json:"name"`
	Kind  string          `json:"kind"`
	Value json.RawMessage `json:"value"`
}

type tensorJSON struct {
	Type  ir.DType        `json:"type"`
	Shape []int           `json:"shape"`
	Data  json.RawMessage `json:"data"`
}

func (j *nodeJSON) node() (NodeCase, error) {
	c := NodeCase{Name: j.Name, Op: j.Op, Names: j.Names}
	for _, aj := range j.Attrs {
		v, err := aj.value()
		if err != nil {
			return c, fmt.Errorf("attribute %s: %w", aj.Name, err)
		}
		c.Attrs = append(c.Attrs, ir.Attr{Name: aj.Name, Value: v})
	}
	var err error
	if c.In, err = tensorsOf(j.In); err != nil {
		return c, err
	}
	c.Out, err = tensorsOf(j.Out)
	return c, err
}

func tensorsOf(js []*tensorJSON) ([]*ir.Tensor, error) {
	ts := make([]*ir.Tensor, len(js))
	for i, j := range js {
		if j == nil {
			continue
		}
		var err error
		if ts[i], err = j.tensor(); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

func (j *tensorJSON) tensor() (*ir.Tensor, error) {
	if j.Type == ir.String {
		t := &ir.Tensor{Elem: ir.String, Shape: j.Shape}
		return t, json.Unmarshal(j.Data, &t.Strs)
	}
	var s string
	if err := json.Unmarshal(j.Data, &s); err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	return ir.NewTensor(j.Type, j.Shape, raw)
}

func (j attrJSON) value() (any, error) {
	switch j.Kind {
	case "INT":
		return decoded[int64](j.Value)
	case "FLOAT":
		return decoded[float32](j.Value)
	case "STRING":
		return decoded[string](j.Value)
	case "INTS":
		return decoded[[]int64](j.Value)
	case "FLOATS":
		return decoded[[]float32](j.Value)
	case "STRINGS":
		return decoded[[]string](j.Value)
	case "TENSOR":
		var t tensorJSON
		if err := json.Unmarshal(j.Value, &t); err != nil {
			return nil, err
		}
		return t.tensor()
	}
	return nil, fmt.Errorf("its kind is %s", j.Kind)
}

func decoded[T any](text json.RawMessage) (any, error) {
	var v T
	err := json.Unmarshal(text, &v)
	return v, err
}
