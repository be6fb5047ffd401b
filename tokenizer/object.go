package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// object reads one JSON object strictly: a field of the wrong type, a required field that is missing and, in done, a
// field nobody asked for are errors. The first error is kept for the whole file, so that readers need no checks.
type object struct {
	place  string // "normalizer.normalizers[1] (Replace)"
	fields map[string]json.RawMessage
	first  *error
}

func readObject(data []byte) (*object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	o := &object{place: "tokenizer.json", first: new(error)}
	if err := json.Unmarshal(data, &o.fields); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if o.fields == nil {
		return nil, errors.New("not a JSON object: null")
	}
	return o, nil
}

func (o *object) err() error { return *o.first }

func (o *object) fail(format string, args ...any) {
	if *o.first == nil {
		*o.first = fmt.Errorf("%s: %s", o.place, fmt.Sprintf(format, args...))
	}
}

// done reports fields that were not read: they may change behaviour.
func (o *object) done() {
	if len(o.fields) > 0 {
		o.fail("unknown field %q; this tokenizer needs a newer lxtc", slices.Sorted(maps.Keys(o.fields))[0])
	}
}

// take removes a field; null counts as absent.
func (o *object) take(key string) (json.RawMessage, bool) {
	raw, ok := o.fields[key]
	delete(o.fields, key)
	return raw, ok && !bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

func (o *object) skip(keys ...string) {
	for _, k := range keys {
		delete(o.fields, k)
	}
}

// read decodes a field into v and says whether it was there.
func (o *object) read(key string, v any) bool {
	raw, ok := o.take(key)
	if !ok {
		return false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		o.fail("field %q: %v", key, err)
		return false
	}
	return true
}

func (o *object) must(key string, v any) {
	if _, ok := o.fields[key]; !ok {
		o.fail("field %q is missing", key)
		return
	}
	if !o.read(key, v) {
		o.fail("field %q is null", key)
	}
}

func (o *object) str(key string) (s string) {
	o.must(key, &s)
	if len(s) > maxLiteral {
		o.fail("field %q has more than %d bytes", key, maxLiteral)
		return ""
	}
	return s
}

func (o *object) strOr(key, or string) string {
	o.read(key, &or)
	return or
}

func (o *object) boolean(key string) (b bool) {
	o.must(key, &b)
	return b
}

func (o *object) boolOr(key string, or bool) bool {
	o.read(key, &or)
	return or
}

// optional returns the object in a field, nil if there is none.
func (o *object) optional(key string) *object {
	raw, ok := o.take(key)
	if !ok {
		return nil
	}
	return o.object(key, raw)
}

func (o *object) child(key string) *object {
	if c := o.optional(key); c != nil {
		return c
	}
	o.fail("field %q is missing", key)
	return o.object(key, []byte("{}"))
}

// list returns the objects of an array.
func (o *object) list(key string) []*object {
	var raws []json.RawMessage
	o.must(key, &raws)
	out := make([]*object, len(raws))
	for i, raw := range raws {
		out[i] = o.object(fmt.Sprintf("%s[%d]", key, i), raw)
	}
	return out
}

func (o *object) object(key string, raw json.RawMessage) *object {
	c := &object{place: key, first: o.first}
	if o.place != "tokenizer.json" {
		c.place = strings.TrimSuffix(o.place, " (Sequence)") + "." + key
	}
	if err := json.Unmarshal(raw, &c.fields); err != nil || c.fields == nil {
		o.fail("field %q is not an object", key)
		c.fields = map[string]json.RawMessage{}
	}
	return c
}

// kind reads the type of a component and puts it into the place of later errors.
func (o *object) kind() string {
	k := o.str("type")
	o.place += " (" + k + ")"
	return k
}

// sequence reads the steps of a Sequence at the given depth.
func (o *object) sequence(key string, depth int) []*object {
	if depth >= maxDepth {
		o.fail("Sequence nested more than %d deep", maxDepth)
		return nil
	}
	steps := o.list(key)
	if len(steps) > maxSequence {
		o.fail("more than %d steps", maxSequence)
		return nil
	}
	return steps
}

// skipAll gives up on the remaining fields, when the component itself is the error.
func (o *object) skipAll() { clear(o.fields) }
