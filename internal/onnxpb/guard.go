package onnxpb

import (
	"encoding/binary"
	"fmt"
)

// Limits on what Unmarshal accepts. Protocol Buffers' own C++ decoder stops at
// the same depth; a subgraph in an attribute costs three levels of it. The
// largest models known have some hundred thousand elements; each costs the
// decoder up to about 200 bytes.
const (
	MaxDepth    = 100
	MaxElements = 1 << 23
)

// Unmarshal decodes a model from b, after Check. Its raw_data fields alias b.
func Unmarshal(b []byte) (*ModelProto, error) {
	if err := Check(b); err != nil {
		return nil, err
	}
	m := &ModelProto{}
	if err := m.Unmarshal(b); err != nil {
		return nil, err
	}
	return m, nil
}

// Check walks the wire format of a model without decoding it and reports
// fields that run past the end of what holds them, nesting deeper than
// MaxDepth and more than MaxElements messages and strings. It skips weights,
// so its cost depends on the graph alone.
func Check(b []byte) error {
	type frame struct {
		msg message
		end int
	}
	stack := []frame{{model, len(b)}}
	elements := 0
	for at := 0; ; {
		top := stack[len(stack)-1]
		if at == top.end {
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return nil
			}
			continue
		}
		f, err := readField(b[:top.end], at)
		if err != nil {
			return fmt.Errorf("byte %d: %w", at, err)
		}
		at = f.end
		if f.wire != wireBytes {
			continue
		}
		if elements++; elements > MaxElements {
			return fmt.Errorf("byte %d: more than %d messages and strings", f.start, MaxElements)
		}
		if err := whole(top.msg, f, b); err != nil {
			return fmt.Errorf("byte %d: field %d %w", f.start, f.number, err)
		}
		sub := leaf
		if f.number < uint64(len(fields[top.msg])) {
			sub = fields[top.msg][f.number]
		}
		if sub == leaf {
			continue
		}
		if len(stack) >= MaxDepth {
			return fmt.Errorf("byte %d: messages are nested more than %d deep", f.start, MaxDepth)
		}
		at = f.start
		stack = append(stack, frame{sub, f.end})
	}
}

// whole reports packed numbers that do not end where their field does. The
// decoder reads the last one to its end, and would go on within the next field:
// it would see another message than Check.
func whole(m message, f field, b []byte) error {
	size := 0
	if f.number < uint64(len(packed[m])) {
		size = packed[m][f.number]
	}
	switch n := f.end - f.start; {
	case n == 0 || size == 0:
	case size == varints && b[f.end-1] >= 0x80:
		return fmt.Errorf("is cut short within a number")
	case size != varints && n%size != 0:
		return fmt.Errorf("has %d bytes, which are no numbers of %d", n, size)
	}
	return nil
}

// A field is one tag and its payload b[start:end].
type field struct {
	number     uint64
	wire       uint64
	start, end int
}

// The wire types that ONNX uses.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// readField reads the field of b at the given place. It is an error if it does
// not end within b.
func readField(b []byte, at int) (field, error) {
	tag, at, err := readVarint(b, at)
	if err != nil {
		return field{}, err
	}
	f := field{number: tag >> 3, wire: tag & 7, start: at}
	size := uint64(0)
	switch f.wire {
	case wireVarint:
		_, f.end, err = readVarint(b, at)
		return f, err
	case wireFixed64:
		size = 8
	case wireFixed32:
		size = 4
	case wireBytes:
		if size, f.start, err = readVarint(b, at); err != nil {
			return f, err
		}
	default: // groups, which no version of ONNX has
		return f, fmt.Errorf("field %d has wire type %d, which ONNX does not use", f.number, f.wire)
	}
	if left := len(b) - f.start; size > uint64(left) {
		return f, fmt.Errorf("field %d has %d bytes, but only %d are left", f.number, size, left)
	}
	f.end = f.start + int(size)
	return f, nil
}

// readVarint returns the number at b[at:] and the place after it.
func readVarint(b []byte, at int) (uint64, int, error) {
	v, n := binary.Uvarint(b[at:])
	switch {
	case n == 0:
		return 0, at, fmt.Errorf("a number is cut short")
	case n < 0:
		return 0, at, fmt.Errorf("a number is longer than 64 bits")
	}
	return v, at + n, nil
}

// A message is one of the messages that Check looks into: those with repeated
// fields or submessages.
type message uint8

const (
	leaf message = iota // everything else
	model
	training
	function
	graph
	node
	attribute
	tensor
	sparse
	valueInfo
	typ
	tensorType
	shape
	elemType // of a sequence or an optional
	mapType
	annotation
	nodeDevice
	sharding
	shardedDim
	intList
	deviceConfig
	numMessages
)

// fields gives, by field number, the messages that the fields of a message
// hold. A test compares it with the generated code.
var fields = [numMessages][32]message{
	model:      {7: graph, 20: training, 25: function, 26: deviceConfig},
	training:   {1: graph, 2: graph},
	function:   {7: node, 11: attribute, 12: valueInfo},
	graph:      {1: node, 5: tensor, 11: valueInfo, 12: valueInfo, 13: valueInfo, 14: annotation, 15: sparse},
	node:       {5: attribute, 10: nodeDevice},
	attribute:  {5: tensor, 6: graph, 10: tensor, 11: graph, 14: typ, 15: typ, 22: sparse, 23: sparse},
	sparse:     {1: tensor, 2: tensor},
	valueInfo:  {2: typ},
	typ:        {1: tensorType, 4: elemType, 5: mapType, 8: tensorType, 9: elemType},
	tensorType: {2: shape},
	elemType:   {1: typ},
	mapType:    {2: typ},
	nodeDevice: {2: sharding},
	sharding:   {3: intList, 4: shardedDim},
}

// varints stands for the size of numbers of any length.
const varints = 1

// packed gives, by field number, the size of the numbers that a field holds
// one behind the other. A test compares it with the generated code.
var packed = [numMessages][12]int{
	attribute: {7: 4, 8: varints},
	tensor:    {1: varints, 4: 4, 5: varints, 7: varints, 10: 8, 11: varints},
	sparse:    {3: varints},
	intList:   {2: varints},
	sharding:  {2: varints},
}
