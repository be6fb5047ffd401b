package onnxpb

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// ErrTooLarge is why Write refuses a model.
var ErrTooLarge = fmt.Errorf("and protobuf ends at %d", math.MaxInt32)

// Write encodes m to w. Unlike Marshal it passes the raw_data of initializers
// on from where it lies, so that writing a model takes no memory for its
// weights. A model of 2 GiB or more is refused: no protobuf decoder reads it.
func Write(w io.Writer, m *ModelProto) error {
	model, graph := *m, GraphProto{}
	if m.Graph != nil {
		model.Graph, graph = nil, *m.Graph
		graph.Initializer = nil
	}
	head, err := model.Marshal()
	if err != nil {
		return err
	}
	body, err := graph.Marshal()
	if err != nil {
		return err
	}
	parts := [][]byte{body}
	size := len(body)
	for _, t := range m.GetGraph().GetInitializer() {
		tensor, raw := *t, []byte(nil)
		if t.RawData != nil {
			tensor.RawData, raw = nil, *t.RawData
		}
		rest, err := tensor.Marshal()
		if err != nil {
			return err
		}
		if t.RawData != nil {
			rest = appendKey(rest, 9, len(raw))
		}
		rest = append(appendKey(nil, 5, len(rest)+len(raw)), rest...)
		parts = append(parts, rest, raw)
		size += len(rest) + len(raw)
	}
	if m.Graph != nil {
		head = appendKey(head, 7, size)
	}
	if total := len(head) + size; total > math.MaxInt32 {
		return fmt.Errorf("the model takes %d bytes, %w", total, ErrTooLarge)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// appendKey appends the tag and length of a length-delimited field.
func appendKey(b []byte, number, size int) []byte {
	b = binary.AppendUvarint(b, uint64(number)<<3|wireBytes)
	return binary.AppendUvarint(b, uint64(size))
}
