package onnxpb

// RawBytes is the type of TensorProto.raw_data. A decoded one is a part of the
// decoded buffer, not a copy: a mapped file is opened without reading its
// weights, and must stay mapped while the message is in use.
type RawBytes []byte

// Raw returns b as a field value.
func Raw(b []byte) *RawBytes { return (*RawBytes)(&b) }

// Unmarshal makes r the bytes b, without copying and without spare capacity.
func (r *RawBytes) Unmarshal(b []byte) error {
	*r = b[:len(b):len(b)]
	return nil
}

// Size returns the number of bytes.
func (r *RawBytes) Size() int { return len(*r) }

// MarshalTo copies the bytes to b, which has room for them.
func (r *RawBytes) MarshalTo(b []byte) (int, error) { return copy(b, *r), nil }

// Marshal returns the bytes themselves.
func (r *RawBytes) Marshal() ([]byte, error) { return *r, nil }
