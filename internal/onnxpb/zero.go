package onnxpb

import (
	"encoding/binary"
	"math"
)

// SayZero makes m hold its number or text although that is 0 or empty, which proto3
// leaves out. ONNX Runtime reads the format as proto2, where a field that is not there
// is not 0: the value_float of a Constant is refused for missing.
func (m *AttributeProto) SayZero() {
	switch {
	case m.Type == AttributeProto_FLOAT && m.F == 0:
		m.XXX_unrecognized = binary.LittleEndian.AppendUint32([]byte{2<<3 | wireFixed32}, math.Float32bits(m.F)) // perhaps -0
	case m.Type == AttributeProto_INT && m.I == 0:
		m.XXX_unrecognized = []byte{3<<3 | wireVarint, 0}
	case m.Type == AttributeProto_STRING && len(m.S) == 0:
		m.XXX_unrecognized = []byte{4<<3 | wireBytes, 0}
	}
}
