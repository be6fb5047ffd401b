package onnxpb

import "strings"

// Keys of node metadata. The first three are PyTorch's: lists, in Python's
// notation, of the modules around a node and, last, of the node itself; and an
// older form of the same. The others are lxtc's.
const (
	KeyClasses   = "pkg.torch.onnx.class_hierarchy"
	KeyScopes    = "pkg.torch.onnx.name_scopes"
	KeyNamespace = "namespace"

	KeyOrigin = "lxtc.origin"
	KeyRole   = "lxtc.role"
	KeyRule   = "lxtc.rule"
	KeyRuleAt = "lxtc.rule_at"
)

// Metadata returns the value of a key, "" if it is not there.
func Metadata(props []*StringStringEntryProto, key string) string {
	for _, p := range props {
		if p.GetKey() == key {
			return p.GetValue()
		}
	}
	return ""
}

// PythonList writes a list of strings as Python's repr does.
func PythonList(list []string) string {
	var sb strings.Builder
	sb.WriteByte('[')
	for i, s := range list {
		if i > 0 {
			sb.WriteString(", ")
		}
		sb.WriteString("'" + escape.Replace(s) + "'")
	}
	return sb.String() + "]"
}

// escape is what a Python string in single quotes needs.
var escape = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// ParsePythonList reads a list of string literals; ok is false if s is
// something else.
func ParsePythonList(s string) (list []string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimSpace(s), "[")
	if !ok {
		return nil, false
	}
	for {
		s = strings.TrimLeft(s, ", ")
		if s == "]" {
			return list, true
		}
		if s == "" || s[0] != '\'' && s[0] != '"' {
			return nil, false
		}
		text, rest, ok := pythonString(s)
		if !ok {
			return nil, false
		}
		list, s = append(list, text), rest
	}
}

// pythonString reads one literal from the front of s. Of the escapes it knows
// those of quotes and backslashes; the names of modules have no others.
func pythonString(s string) (text, rest string, ok bool) {
	var sb strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return sb.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		sb.WriteByte(s[i])
	}
	return "", "", false
}
