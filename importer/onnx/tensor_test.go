package onnx

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// onlyConst decodes a model that has t as its only constant.
func onlyConst(t *testing.T, p *pb.TensorProto) (*ir.Tensor, error) {
	t.Helper()
	m := protoModel(21, "x", "y", protoNode("y = Relu(x)"))
	p.Name = "w"
	m.Graph.Initializer = []*pb.TensorProto{p}
	got, err := decodeProto(t, m)
	if err != nil {
		return nil, err
	}
	return got.Graph.Consts[0].Data, nil
}

func TestTensorFields(t *testing.T) {
	le := binary.LittleEndian
	tests := []struct {
		name string
		in   pb.TensorProto
		elem ir.DType
		raw  []byte
	}{
		{
			"float_data",
			pb.TensorProto{Dims: []int64{2}, DataType: 1, FloatData: []float32{1, -2}},
			ir.Float,
			le.AppendUint32(le.AppendUint32(nil, math.Float32bits(1)), math.Float32bits(-2)),
		},
		{
			"raw_data",
			pb.TensorProto{Dims: []int64{2}, DataType: 1, RawData: pb.Raw([]byte{1, 2, 3, 4, 5, 6, 7, 8})},
			ir.Float,
			[]byte{1, 2, 3, 4, 5, 6, 7, 8},
		},
		{
			"double_data",
			pb.TensorProto{Dims: []int64{1}, DataType: 11, DoubleData: []float64{0.5}},
			ir.Double,
			le.AppendUint64(nil, math.Float64bits(0.5)),
		},
		{"int64_data", pb.TensorProto{Dims: []int64{1}, DataType: 7, Int64Data: []int64{-3}}, ir.Int64, le.AppendUint64(nil, uint64(math.MaxUint64-2))},
		{"uint64 in uint64_data", pb.TensorProto{Dims: []int64{1}, DataType: 13, Uint64Data: []uint64{5}}, ir.Uint64, le.AppendUint64(nil, 5)},
		{"uint32 in uint64_data", pb.TensorProto{Dims: []int64{1}, DataType: 12, Uint64Data: []uint64{5}}, ir.Uint32, []byte{5, 0, 0, 0}},
		{"int32 in int32_data", pb.TensorProto{Dims: []int64{1}, DataType: 6, Int32Data: []int32{-2}}, ir.Int32, []byte{0xfe, 0xff, 0xff, 0xff}},
		{"int8 in int32_data", pb.TensorProto{Dims: []int64{2}, DataType: 3, Int32Data: []int32{-1, 7}}, ir.Int8, []byte{0xff, 7}},
		{"uint16 in int32_data", pb.TensorProto{Dims: []int64{1}, DataType: 4, Int32Data: []int32{0x1234}}, ir.Uint16, []byte{0x34, 0x12}},
		{"bool in int32_data", pb.TensorProto{Dims: []int64{2}, DataType: 9, Int32Data: []int32{1, 0}}, ir.Bool, []byte{1, 0}},
		{"float16 bits in int32_data", pb.TensorProto{Dims: []int64{1}, DataType: 10, Int32Data: []int32{0x3c00}}, ir.Float16, []byte{0, 0x3c}},
		{"bfloat16 bits in int32_data", pb.TensorProto{Dims: []int64{1}, DataType: 16, Int32Data: []int32{0x3f80}}, ir.BFloat16, []byte{0x80, 0x3f}},
		{"three int4 in two bytes", pb.TensorProto{Dims: []int64{3}, DataType: 22, Int32Data: []int32{0x21, 0x3}}, ir.Int4, []byte{0x21, 0x03}},
		{"three uint4 in raw_data", pb.TensorProto{Dims: []int64{3}, DataType: 21, RawData: pb.Raw([]byte{0x21, 0x03})}, ir.Uint4, []byte{0x21, 0x03}},
		{"no elements and no field", pb.TensorProto{Dims: []int64{0}, DataType: 7}, ir.Int64, []byte{}},
		{"no elements, in three dimensions", pb.TensorProto{Dims: []int64{2, 0, 3}, DataType: 1, RawData: pb.Raw(nil)}, ir.Float, []byte{}},
		{"a scalar has no dimensions", pb.TensorProto{DataType: 9, Int32Data: []int32{1}}, ir.Bool, []byte{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dims := slices.Clone(tt.in.Dims)
			got, err := onlyConst(t, &tt.in)
			if err != nil {
				t.Fatal(err)
			}
			shape := make([]int, len(dims))
			for i, d := range dims {
				shape[i] = int(d)
			}
			want := ir.Tensor{Elem: tt.elem, Shape: shape, Raw: tt.raw}
			got2 := ir.Tensor{Elem: got.Elem, Shape: got.Shape, Raw: append([]byte{}, got.Raw...)}
			if d := cmp.Diff(want, got2); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestStringTensor(t *testing.T) {
	got, err := onlyConst(t, &pb.TensorProto{Dims: []int64{2}, DataType: 8, StringData: [][]byte{[]byte("a"), []byte("é")}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "é"}, got.Strs); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTensorRefuses(t *testing.T) {
	huge := []int64{1 << 40, 1 << 40}
	tests := []struct {
		name, want string
		in         pb.TensorProto
	}{
		{"too few numbers", "needs 8", pb.TensorProto{Dims: []int64{2}, DataType: 1, FloatData: []float32{1}}},
		{"too many numbers", "needs 4", pb.TensorProto{Dims: []int64{1}, DataType: 1, FloatData: []float32{1, 2}}},
		{"numbers in another type's field", "needs 4", pb.TensorProto{Dims: []int64{1}, DataType: 1, Int64Data: []int64{1}}},
		{"too few raw bytes", "7 bytes", pb.TensorProto{Dims: []int64{2}, DataType: 1, RawData: pb.Raw(make([]byte, 7))}},
		{"far too many numbers for a byte", "int32_data", pb.TensorProto{Dims: []int64{1}, DataType: 3, Int32Data: []int32{1, 2}}},
		{"a negative dimension", "dimension 0 is -1", pb.TensorProto{Dims: []int64{-1}, DataType: 1}},
		{"a product beyond 64 bits", "too large", pb.TensorProto{Dims: huge, DataType: 1}},
		{"a product beyond 64 bits, of strings", "too large", pb.TensorProto{Dims: huge, DataType: 8}},
		{"no element type", "type 0", pb.TensorProto{Dims: []int64{0}}},
		{"an element type that does not exist", "type 99", pb.TensorProto{Dims: []int64{0}, DataType: 99}},
		{"too few strings", "1 strings", pb.TensorProto{Dims: []int64{2}, DataType: 8, StringData: [][]byte{{}}}},
		{"a string that is not UTF-8", "UTF-8", pb.TensorProto{Dims: []int64{1}, DataType: 8, StringData: [][]byte{{0xff}}}},
		{"more dimensions than anything has", "65 dimensions", pb.TensorProto{Dims: make([]int64, 65), DataType: 1}},
		{"segments", "segments", pb.TensorProto{Dims: []int64{0}, DataType: 1, Segment: &pb.TensorProto_Segment{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := onlyConst(t, &tt.in)
			wantCode(t, err, "LX1005", tt.want)
		})
	}
}

func TestSparse(t *testing.T) {
	values := func(n int) *pb.TensorProto {
		return &pb.TensorProto{Name: "w", Dims: []int64{int64(n)}, DataType: 3, Int32Data: []int32{1, 2, 3}[:n]}
	}
	indices := func(dims []int64, at ...int64) *pb.TensorProto {
		return &pb.TensorProto{Dims: dims, DataType: 7, Int64Data: at}
	}
	tests := []struct {
		name, fails string
		in          pb.SparseTensorProto
		want        []byte
	}{
		{"linear indices", "", pb.SparseTensorProto{Dims: []int64{2, 2}, Values: values(2), Indices: indices([]int64{2}, 3, 0)}, []byte{2, 0, 0, 1}},
		{"coordinates", "", pb.SparseTensorProto{Dims: []int64{2, 2}, Values: values(1), Indices: indices([]int64{1, 2}, 1, 0)}, []byte{0, 0, 1, 0}},
		{"nothing but zeros", "", pb.SparseTensorProto{Dims: []int64{3}, Values: values(0), Indices: indices([]int64{0})}, []byte{0, 0, 0}},
		{"an index outside", "outside", pb.SparseTensorProto{Dims: []int64{2}, Values: values(1), Indices: indices([]int64{1}, 2)}, nil},
		{"a coordinate outside", "outside", pb.SparseTensorProto{Dims: []int64{2, 2}, Values: values(1), Indices: indices([]int64{1, 2}, 0, 3)}, nil},
		{"a negative coordinate", "outside", pb.SparseTensorProto{Dims: []int64{2, 2}, Values: values(1), Indices: indices([]int64{1, 2}, 1, -1)}, nil},
		{"a column of indices in three dimensions", "shape [2 1]", pb.SparseTensorProto{Dims: []int64{2, 2, 2}, Values: values(2), Indices: indices([]int64{2, 1}, 0, 1)}, nil},
		{"more indices than values", "shape [3]", pb.SparseTensorProto{Dims: []int64{2}, Values: values(1), Indices: indices([]int64{3}, 0, 1, 1)}, nil},
		{"a terabyte of zeros", "may take", pb.SparseTensorProto{Dims: []int64{1 << 40}, Values: values(0), Indices: indices([]int64{0})}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := protoModel(21, "x", "y", protoNode("y = Relu(x)"))
			m.Graph.SparseInitializer = []*pb.SparseTensorProto{&tt.in}
			got, err := decodeProto(t, m)
			if tt.fails != "" {
				wantCode(t, err, "LX1005", tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got.Graph.Consts[0].Data.Raw); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
