package onnx

import (
	"fmt"
	"math/rand/v2"
	"testing"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// A chance makes up nodes: inputs of any number, type and shape, constants of
// any numbers, and attributes of likely names and unlikely values.
type chance struct{ *rand.Rand }

func pick[T any](c chance, of ...T) T { return of[c.IntN(len(of))] }

var hostileInts = []int64{0, 1, -1, 2, 3, -2, 4, 7, -5, 1 << 31, 1 << 62, -1 << 63, 1<<63 - 1}

func (c chance) ints() []int64 {
	out := make([]int64, c.IntN(6))
	for i := range out {
		out[i] = pick(c, hostileInts...)
		if c.IntN(3) > 0 {
			out[i] = int64(c.IntN(7) - 3)
		}
	}
	return out
}

func (c chance) value(name string) string {
	elem := pick(c, "float", "float", "float", "int64", "int32", "bool", "float16", "uint8", "string", "int4")
	if c.IntN(8) == 0 {
		return name + ":" + elem
	}
	s := name + ":" + elem + "["
	for i := range 1 + c.IntN(5) {
		if i > 0 {
			s += ","
		}
		s += pick(c, "0", "1", "2", "3", "4", "6", "B", "2*B", "?", "4611686018427387904")
	}
	return s + "]"
}

func (c chance) constant(name string) *pb.TensorProto {
	ints := c.ints()
	t := &pb.TensorProto{Name: name, Dims: []int64{int64(len(ints))}, DataType: int32(ir.Int64), Int64Data: ints}
	switch {
	case len(ints) == 1 && c.IntN(2) == 0:
		t.Dims = nil
	case len(ints) == 4 && c.IntN(2) == 0:
		t.Dims = []int64{2, 2}
	}
	return t
}

func (c chance) attr(name string) *pb.AttributeProto {
	switch c.IntN(7) {
	case 0, 1:
		return protoAttr(name, c.ints())
	case 2:
		return protoAttr(name, float64(pick(c, 0, 1, -1, 1e38)))
	case 3:
		return protoAttr(name, pick(c, "", "nearest", "SAME_UPPER", "VALID", "ij,jk->ik", "...i,i->", "->", "edge", "DCR"))
	case 4:
		return protoAttr(name, c.constant(""))
	}
	return protoAttr(name, int(pick(c, hostileInts...)))
}

// attrNames are the names of attributes that inference reads.
var attrNames = []string{
	"axis", "axes", "perm", "keepdims", "noop_with_empty_axes", "num_outputs", "k", "largest", "to", "kernel_shape", "strides",
	"pads", "dilations", "group", "auto_pad", "ceil_mode", "output_shape", "output_padding", "transA", "transB", "alpha", "epsilon",
	"batch_dims", "start", "end", "allowzero", "blocksize", "equation", "mode", "num_groups", "block_size", "value", "dtype",
	"scales", "K", "N", "bits", "num_heads", "kv_num_heads", "q_num_heads", "upper", "select_last_index", "reduction", "nearest_mode",
}

// takeApart builds the derivatives and the bodies of nodes, which may fail but
// must not panic either.
func takeApart(m *ir.Model) {
	for n := range m.Graph.Nodes() {
		op := m.Ops.Lookup(n.Op)
		if op.VJP != nil {
			c := m.Clone()
			b, dy, want := c.At(c.Graph, nil), make([]*ir.Value, len(n.Out)), make([]bool, len(n.In))
			for i, v := range n.Out {
				dy[i] = c.Graph.Input("dy", v.Type)
			}
			for i, v := range n.In {
				want[i] = v != nil && v.Type.Elem.IsFloat()
			}
			for k := range c.Graph.Nodes() {
				if k.Op == n.Op && len(k.In) == len(n.In) {
					op.VJP(b, k, dy, want)
					break
				}
			}
		}
		if op.Body != nil {
			_ = ir.Inline(m, n) // an error is as good
			return
		}
	}
}

// Whatever the inputs and attributes of an operator, its inference says an
// error or types, and what is built from an accepted node does not panic. The
// numbers are always the same ones.
func TestInferenceNeverPanics(t *testing.T) {
	set := ops.Standard()
	c := chance{rand.New(rand.NewPCG(1, 2))}
	accepted := 0
	for _, op := range set.All() {
		t.Run(op.Name.String(), func(t *testing.T) {
			for range 400 {
				lo, hi := ir.Arity(op.In)
				n := lo
				if c.IntN(4) == 0 {
					n = c.IntN(max(hi, lo+2) + 2)
				}
				inputs, call := "", ""
				m := protoModel(24, "", "")
				for i := range n {
					name := fmt.Sprintf("i%d", i)
					switch {
					case i > 0 && c.IntN(3) == 0:
						m.Graph.Initializer = append(m.Graph.Initializer, c.constant(name))
					default:
						inputs += c.value(name) + " "
					}
					if i > 0 {
						call += ","
					}
					if c.IntN(12) > 0 {
						call += name
					}
				}
				m.Graph.Input = protoModel(24, inputs, "").Graph.Input
				node := protoNode("o0 = X(" + call + ")")
				node.OpType, node.Domain = op.Name.Name, op.Name.Domain
				for i := 1; i < 1+c.IntN(4); i++ {
					node.Output = append(node.Output, fmt.Sprintf("o%d", i))
				}
				for range c.IntN(4) {
					name := pick(c, attrNames...)
					node.Attribute = append(node.Attribute, c.attr(name))
				}
				m.Graph.Node = []*pb.NodeProto{node}
				got, err := decodeProto(t, m, Ops(set))
				if err == nil {
					accepted++
					takeApart(got)
					continue
				}
				if isPanic(err) {
					t.Fatalf("%v\n%v", err, m)
				}
			}
		})
	}
	if accepted < 1000 {
		t.Errorf("only %d of the made-up nodes were accepted: the test tries too little", accepted)
	}
}
