package onnx

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// tensor decodes t. Bytes of the file, and of external files, are not copied.
func (d *decoder) tensor(t *pb.TensorProto) (*ir.Tensor, error) {
	if out := d.tensors[t]; out != nil {
		return out, nil
	}
	out, err := d.tensorData(t)
	if err != nil {
		return nil, wrap("LX1005", err, "tensor %q", t.GetName())
	}
	d.tensors[t] = out
	return out, nil
}

func (d *decoder) tensorData(t *pb.TensorProto) (*ir.Tensor, error) {
	if t == nil {
		return nil, diag.Errorf("LX1005", "no tensor is given")
	}
	if t.Segment != nil {
		return nil, diag.Errorf("LX1005", "it is stored in segments, which no exporter writes")
	}
	shape, err := shapeOf(t.Dims)
	if err != nil {
		return nil, err
	}
	elem, err := elemType(t.DataType)
	if err != nil {
		return nil, err
	}
	if elem == ir.String {
		return stringTensor(t, shape)
	}
	size, err := ir.ByteSize(elem, shape)
	if err != nil {
		return nil, diag.Errorf("LX1005", "%w", err)
	}
	if t.DataLocation == pb.TensorProto_EXTERNAL {
		return d.external(t, elem, shape, size)
	}
	if t.RawData != nil {
		raw := []byte(*t.RawData)
		if int64(len(raw)) != size {
			return nil, diag.Errorf("LX1005", "it has %d bytes of data, and %s%v needs %d", len(raw), elem, shape, size)
		}
		return &ir.Tensor{Elem: elem, Shape: shape, Raw: raw, From: d.src.source(raw)}, nil
	}
	raw, err := typedData(t, elem, size)
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) != size {
		return nil, diag.Errorf("LX1005", "its %d bytes of data do not fit %s%v, which needs %d", len(raw), elem, shape, size)
	}
	return &ir.Tensor{Elem: elem, Shape: shape, Raw: raw}, nil
}

// external returns the tensor whose bytes lie in another file.
func (d *decoder) external(t *pb.TensorProto, elem ir.DType, shape []int, size int64) (*ir.Tensor, error) {
	location, offset := "", int64(0)
	for _, e := range t.ExternalData {
		switch e.GetKey() {
		case "location":
			location = e.GetValue()
		case "offset", "length":
			n, err := strconv.ParseInt(e.GetValue(), 10, 64)
			if err != nil || n < 0 {
				return nil, diag.Errorf("LX1006", "the %s of its data is %q, not a number of bytes", e.GetKey(), e.GetValue())
			}
			if e.GetKey() == "offset" {
				offset = n
				continue
			}
			if n != size {
				return nil, diag.Errorf("LX1006", "it has %d bytes of external data, and %s%v needs %d", n, elem, shape, size)
			}
		}
	}
	if location == "" {
		return nil, diag.Errorf("LX1006", "its data are external, but no location is given")
	}
	file, err := d.files.external(location)
	if err != nil {
		return nil, err
	}
	have := int64(len(file.data))
	if offset > have || size > have-offset {
		return nil, diag.Errorf("LX1006", "its data are bytes %d to %s of %q, which has %d", offset, sum(offset, size), location, have).
			Help("the file is cut short, or not the one that belongs to this model")
	}
	raw := file.data[offset : offset+size : offset+size]
	return &ir.Tensor{Elem: elem, Shape: shape, Raw: raw, From: file.source(raw)}, nil
}

// sum is a + b in words, without overflow.
func sum(a, b int64) string { return strconv.FormatUint(uint64(a)+uint64(b), 10) }

// typedData returns the elements of t's typed field as little-endian bytes. A
// tensor without elements has no data field at all, so nothing is checked here
// but the type.
func typedData(t *pb.TensorProto, elem ir.DType, size int64) ([]byte, error) {
	le := binary.LittleEndian
	var raw []byte
	switch elem {
	case ir.Float, ir.Complex64:
		for _, x := range t.FloatData {
			raw = le.AppendUint32(raw, math.Float32bits(x))
		}
	case ir.Double, ir.Complex128:
		for _, x := range t.DoubleData {
			raw = le.AppendUint64(raw, math.Float64bits(x))
		}
	case ir.Int64:
		for _, x := range t.Int64Data {
			raw = le.AppendUint64(raw, uint64(x))
		}
	case ir.Uint64:
		for _, x := range t.Uint64Data {
			raw = le.AppendUint64(raw, x)
		}
	case ir.Uint32:
		for _, x := range t.Uint64Data {
			raw = le.AppendUint32(raw, uint32(x))
		}
	default: // everything else lies in int32_data, bit for bit, bytes of packed elements too
		return int32Data(t.Int32Data, max(elem.Bits(), 8), size)
	}
	return raw, nil
}

// int32Data keeps the low bits of each number.
func int32Data(xs []int32, width int, size int64) ([]byte, error) {
	if int64(len(xs)) > size {
		return nil, diag.Errorf("LX1005", "int32_data has %d numbers for %d bytes", len(xs), size)
	}
	raw := make([]byte, 0, len(xs)*width/8)
	for _, x := range xs {
		switch width {
		case 32:
			raw = binary.LittleEndian.AppendUint32(raw, uint32(x))
		case 16:
			raw = binary.LittleEndian.AppendUint16(raw, uint16(x))
		default:
			raw = append(raw, byte(x))
		}
	}
	return raw, nil
}

func stringTensor(t *pb.TensorProto, shape []int) (*ir.Tensor, error) {
	n, err := numel(shape)
	if err != nil {
		return nil, err
	}
	if len(t.StringData) != n || t.RawData != nil || t.DataLocation == pb.TensorProto_EXTERNAL {
		return nil, diag.Errorf("LX1005", "it has %d strings, and shape %v needs %d", len(t.StringData), shape, n)
	}
	out := &ir.Tensor{Elem: ir.String, Shape: shape, Strs: make([]string, n)}
	for i, s := range t.StringData {
		if !utf8.Valid(s) {
			return nil, diag.Errorf("LX1005", "string %d is not UTF-8", i)
		}
		out.Strs[i] = string(s)
	}
	return out, nil
}

// maxDense bounds the bytes of all sparse tensors once they are dense: it is
// the one place where a few bytes of file become many in memory.
const maxDense = 1 << 30

// sparse returns the dense form of a sparse tensor. Its indices are linear, or
// one row of coordinates per value.
func (d *decoder) sparse(s *pb.SparseTensorProto) (*ir.Tensor, error) {
	name := s.GetValues().GetName()
	values, err := d.tensor(s.GetValues())
	if err != nil {
		return nil, err
	}
	indices, err := d.tensor(s.GetIndices())
	if err != nil {
		return nil, err
	}
	out, err := densify(values, indices, s.GetDims(), maxDense-d.dense)
	if err != nil {
		return nil, wrap("LX1005", err, "sparse tensor %q", name)
	}
	d.dense += len(out.Raw)
	return out, nil
}

func densify(values, indices *ir.Tensor, dims []int64, room int) (*ir.Tensor, error) {
	shape, err := shapeOf(dims)
	if err != nil {
		return nil, err
	}
	n, err := numel(shape)
	if err != nil {
		return nil, err
	}
	width := values.Elem.Bits() / 8
	nnz := values.Len()
	switch {
	case width == 0:
		return nil, diag.Errorf("LX1005", "elements of type %s cannot be sparse", values.Elem)
	case n > room/width:
		return nil, diag.Errorf("LX1005", "shape %v has %d elements, and sparse tensors may take %d bytes in all", shape, n, maxDense)
	case indices.Elem != ir.Int64:
		return nil, diag.Errorf("LX1005", "indices are of type %s, want int64", indices.Elem)
	case !slices.Equal(indices.Shape, []int{nnz}) && !slices.Equal(indices.Shape, []int{nnz, len(shape)}):
		return nil, diag.Errorf("LX1005", "indices of shape %v for %d values of rank %d", indices.Shape, nnz, len(shape))
	}
	at, err := indices.Int64s()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, n*width)
	linear := len(indices.Shape) == 1
	for i := range nnz {
		k := int64(0)
		if linear {
			k = at[i]
		} else {
			for j, d := range shape {
				c := at[i*len(shape)+j]
				if c < 0 || c >= int64(d) {
					return nil, diag.Errorf("LX1005", "index %d of value %d is outside dimension %d", c, i, d)
				}
				k = k*int64(d) + c
			}
		}
		if k < 0 || k >= int64(n) {
			return nil, diag.Errorf("LX1005", "index %d of value %d is outside %d elements", k, i, n)
		}
		copy(raw[int(k)*width:], values.Raw[i*width:(i+1)*width])
	}
	return &ir.Tensor{Elem: values.Elem, Shape: shape, Raw: raw}, nil
}

// maxRank bounds the dimensions of a tensor, as NumPy does: every node would
// copy those of a file that has a million.
const maxRank = 64

func shapeOf(dims []int64) ([]int, error) {
	if len(dims) > maxRank {
		return nil, diag.Errorf("LX1005", "it has %d dimensions, more than %d", len(dims), maxRank)
	}
	shape := make([]int, len(dims))
	for i, n := range dims {
		if n < 0 || int64(int(n)) != n {
			return nil, diag.Errorf("LX1005", "dimension %d is %d", i, n)
		}
		shape[i] = int(n)
	}
	return shape, nil
}

// numel is the product of the dimensions, checked against overflow.
func numel(shape []int) (int, error) {
	n := uint64(1)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt/16 {
			return 0, diag.Errorf("LX1005", "shape %v is too large", shape)
		}
		n = lo
	}
	return int(n), nil
}

// elemType returns the element type that the file numbers.
func elemType(n int32) (ir.DType, error) {
	if n <= 0 || n > math.MaxUint8 || ir.DType(n).String() == ir.Undefined.String() {
		return ir.Undefined, diag.Errorf("LX1005", "element type %d is unknown", n)
	}
	return ir.DType(n), nil
}
