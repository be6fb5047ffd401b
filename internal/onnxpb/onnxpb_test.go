package onnxpb

import (
	"bytes"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// small is a model with something in every kind of place Check looks at.
func small() *ModelProto {
	sub := &GraphProto{Name: "then", Node: []*NodeProto{{OpType: "Identity", Input: []string{"x"}, Output: []string{"y"}}}}
	return &ModelProto{
		IrVersion:   10,
		OpsetImport: []*OperatorSetIdProto{{Version: 21}},
		Graph: &GraphProto{
			Name: "g",
			Node: []*NodeProto{{
				OpType: "If", Input: []string{"c"}, Output: []string{"z"},
				Attribute:     []*AttributeProto{{Name: "then_branch", Type: AttributeProto_GRAPH, G: sub}},
				MetadataProps: []*StringStringEntryProto{{Key: "namespace", Value: "/a"}},
			}},
			Initializer: []*TensorProto{
				{Name: "w", Dims: []int64{2}, DataType: 1, RawData: Raw([]byte{0, 0, 128, 63, 0, 0, 0, 64})},
				{Name: "v", Dims: []int64{2}, DataType: 1, FloatData: []float32{1, 2}},
				{Name: "empty", Dims: []int64{0}, DataType: 7},
			},
			Input: []*ValueInfoProto{{Name: "c", Type: &TypeProto{Value: &TypeProto_TensorType{TensorType: &TypeProto_Tensor{
				ElemType: 9,
				Shape: &TensorShapeProto{Dim: []*TensorShapeProto_Dimension{
					{Value: &TensorShapeProto_Dimension_DimParam{DimParam: "B"}},
					{Value: &TensorShapeProto_Dimension_DimValue{DimValue: 3}},
				}},
			}}}}},
		},
	}
}

func encode(t *testing.T, m *ModelProto) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	got, err := Unmarshal(encode(t, small()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(small(), got); d != "" {
		t.Errorf("model differs after a round trip (-want +got):\n%s", d)
	}
}

func TestWriteIsMarshal(t *testing.T) {
	noGraph := &ModelProto{IrVersion: 3}
	for name, m := range map[string]*ModelProto{"with initializers": small(), "without a graph": noGraph} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, m); err != nil {
				t.Fatal(err)
			}
			got, err := Unmarshal(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(m, got); d != "" {
				t.Errorf("model differs after Write (-want +got):\n%s", d)
			}
		})
	}
}

func TestRawDataAliasesTheInput(t *testing.T) {
	b := encode(t, small())
	m, err := Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	raw := *m.Graph.Initializer[0].RawData
	at := uintptr(unsafe.Pointer(unsafe.SliceData(raw))) - uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if at >= uintptr(len(b)) || cap(raw) != len(raw) {
		t.Errorf("raw_data lies %d bytes into a buffer of %d, with capacity %d for %d", at, len(b), cap(raw), len(raw))
	}
	if m.Graph.Initializer[1].RawData != nil {
		t.Error("a tensor with float_data has raw_data too")
	}
}

func TestUnknownFieldsSurvive(t *testing.T) {
	b := append(encode(t, small()), 0xf2, 0x07, 3, 'n', 'e', 'w') // field 126
	m, err := Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(encode(t, m), []byte("new")) {
		t.Error("field 126 is lost")
	}
}

// nested returns a model with n graphs in one another: three messages each.
func nested(n int) []byte {
	body := []byte(nil)
	for i := range n {
		if i > 0 {
			for _, number := range []int{6, 5, 1} { // attribute.g, node.attribute, graph.node
				body = append(appendKey(nil, number, len(body)), body...)
			}
		}
	}
	return append(appendKey(nil, 7, len(body)), body...)
}

// inAttribute returns a model of one node with one attribute of these bytes.
func inAttribute(body ...byte) []byte {
	for _, number := range []int{5, 1, 7} { // node.attribute, graph.node, model.graph
		body = append(appendKey(nil, number, len(body)), body...)
	}
	return body
}

func TestCheck(t *testing.T) {
	good := encode(t, small())
	many := bytes.Repeat([]byte{0x0a, 0}, MaxElements) // empty nodes
	tests := []struct {
		name, want string
		b          []byte
	}{
		{"no bytes at all", "", nil},
		{"a model", "", good},
		{"32 subgraphs in one another", "", nested(32)},
		{"40 subgraphs in one another", "nested more than 100 deep", nested(40)},
		{"3,000 subgraphs in one another", "nested more than 100 deep", nested(3000)},
		{"cut short", "are left", good[:len(good)-1]},
		{"cut within a number", "cut short", []byte{0x08, 0xff}},
		{"a number of 11 bytes", "longer than 64 bits", append([]byte{0x08}, bytes.Repeat([]byte{0xff}, 11)...)},
		{"a length beyond 2^63", "are left", []byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
		{"a group", "wire type 3", []byte{0x0b}},
		{"floats of five bytes", "no numbers of 4", inAttribute(0x3a, 5, 0, 0, 0, 0, 0)},
		{"integers cut within one", "cut short", inAttribute(0x42, 2, 1, 0x80)},
		{"packed numbers, and none", "", inAttribute(0x42, 3, 1, 0x80, 1, 0x3a, 4, 0, 0, 0, 0, 0x3a, 0)},
		{"more nodes than any model has", "more than 8388608", append(appendKey(nil, 7, len(many)), many...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Check(tt.b)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check: %v, want %q", err, tt.want)
			}
		})
	}
}

// TestTableMatchesSchema walks the generated types and the table of fields
// side by side.
func TestTableMatchesSchema(t *testing.T) {
	seen := map[reflect.Type]message{}
	var walk func(typ reflect.Type, m message)
	walk = func(typ reflect.Type, m message) {
		if was, ok := seen[typ]; ok {
			if was != m && !(m == elemType && was == elemType) {
				t.Errorf("%v is message %d in one place and %d in another", typ, was, m)
			}
			return
		}
		seen[typ] = m
		found := [32]bool{}
		for _, f := range protoFields(typ) {
			found[f.number] = f.msg != nil
			known := 0
			if f.number < len(packed[m]) {
				known = packed[m][f.number]
			}
			if f.packed != known {
				t.Errorf("%v has numbers of size %d in field %d, and Check knows of %d", typ, f.packed, f.number, known)
			}
			if m == leaf && (f.repeated || f.msg != nil) {
				t.Errorf("%v has field %d, but Check does not look into it", typ, f.number)
			}
			if f.msg != nil && m != leaf {
				walk(f.msg, fields[m][f.number])
			}
		}
		for number, sub := range fields[m] {
			if sub != leaf && !found[number] {
				t.Errorf("%v has no message in field %d", typ, number)
			}
		}
	}
	walk(reflect.TypeFor[ModelProto](), model)
}

type protoField struct {
	number   int
	msg      reflect.Type // nil for a scalar
	repeated bool
	packed   int // size of the numbers of a repeated field; 0 for others
}

// protoFields lists the fields of a generated message, those of its oneofs too.
func protoFields(typ reflect.Type) []protoField {
	var fs []protoField
	add := func(f reflect.StructField) {
		tag := strings.Split(f.Tag.Get("protobuf"), ",")
		if len(tag) < 3 {
			return
		}
		number, _ := strconv.Atoi(tag[1])
		pf := protoField{number: number, repeated: tag[2] == "rep"}
		if pf.repeated {
			pf.packed = map[string]int{"varint": varints, "fixed32": 4, "fixed64": 8}[tag[0]]
		}
		ft := f.Type
		if ft.Kind() == reflect.Slice && pf.repeated {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Pointer && ft.Elem().Kind() == reflect.Struct {
			pf.msg = ft.Elem()
		}
		fs = append(fs, pf)
	}
	for i := range typ.NumField() {
		add(typ.Field(i))
	}
	if w, ok := reflect.New(typ).Interface().(interface{ XXX_OneofWrappers() []interface{} }); ok {
		for _, o := range w.XXX_OneofWrappers() {
			add(reflect.TypeOf(o).Elem().Field(0))
		}
	}
	return fs
}

func FuzzUnmarshal(f *testing.F) {
	b, err := small().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(nested(5))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Unmarshal(b)
		if err != nil {
			return
		}
		again, err := m.Marshal()
		if err != nil {
			t.Fatalf("a decoded model does not encode: %v", err)
		}
		if _, err := Unmarshal(again); err != nil {
			t.Fatalf("an encoded model does not decode: %v", err)
		}
	})
}

// A reader of proto2, such as ONNX Runtime, tells a 0 that is written from one that is
// not: the bytes hold it, and -0 keeps its sign.
func TestZerosAreWritten(t *testing.T) {
	for _, tt := range []struct {
		name string
		attr AttributeProto
		want []byte // of the field
	}{
		{"a float", AttributeProto{Type: AttributeProto_FLOAT}, []byte{2<<3 | 5, 0, 0, 0, 0}},
		{"a negative zero", AttributeProto{Type: AttributeProto_FLOAT, F: float32(math.Copysign(0, -1))}, []byte{2<<3 | 5, 0, 0, 0, 0x80}},
		{"an integer", AttributeProto{Type: AttributeProto_INT}, []byte{3 << 3, 0}},
		{"a text", AttributeProto{Type: AttributeProto_STRING}, []byte{4<<3 | 2, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.attr
			a.SayZero()
			b, err := a.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(b, tt.want) {
				t.Errorf("the bytes are % x, want % x among them", b, tt.want)
			}
			var got AttributeProto
			if err := got.Unmarshal(b); err != nil {
				t.Fatal(err)
			}
			if got.F != tt.attr.F || math.Signbit(float64(got.F)) != math.Signbit(float64(tt.attr.F)) || got.I != 0 || len(got.S) != 0 || got.XXX_unrecognized != nil {
				t.Errorf("read again it is %v", got)
			}
		})
	}
}
