// Package diag holds errors that have a place and a way out.
package diag

import (
	"fmt"
	"strings"
)

// An Error is what a user sees: where, what is wrong, why it matters and what
// to do about it. The first line stands alone:
//
//	tiny.onnx: node /mlp/Erf (Erf): no rule in attnlrp for operator Erf [LX3001]
type Error struct {
	Code  string // "LX3001"; see Codes
	File  string
	Node  string // the node's label or first output
	Op    string
	Msg   string   // lower case, no period
	Trail []string // detail, a line each
	Hint  string   // a way out
	Err   error    // the cause, if there is one
}

// Errorf returns an error with a code and a message. A %w operand becomes its
// cause.
func Errorf(code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Code: code, Msg: err.Error()}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		e.Err = u.Unwrap()
	}
	return e
}

// In says which file the error is about. A file already named is kept.
func (e *Error) In(file string) *Error {
	if e.File == "" {
		e.File = file
	}
	return e
}

// At says which node the error is about.
func (e *Error) At(node, op string) *Error {
	e.Node, e.Op = node, op
	return e
}

// Detail adds a line of detail.
func (e *Error) Detail(format string, args ...any) *Error {
	e.Trail = append(e.Trail, fmt.Sprintf(format, args...))
	return e
}

// Help says what the user can do.
func (e *Error) Help(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Error returns the first line, then the detail and the help, indented.
func (e *Error) Error() string {
	var sb strings.Builder
	if e.File != "" {
		sb.WriteString(e.File + ": ")
	}
	switch {
	case e.Node != "" && e.Op != "":
		fmt.Fprintf(&sb, "node %s (%s): ", e.Node, e.Op)
	case e.Op != "":
		fmt.Fprintf(&sb, "%s: ", e.Op)
	case e.Node != "":
		fmt.Fprintf(&sb, "node %s: ", e.Node)
	}
	sb.WriteString(e.Msg)
	if e.Code != "" {
		fmt.Fprintf(&sb, " [%s]", e.Code)
	}
	for _, l := range e.Trail {
		sb.WriteString("\n\t" + l)
	}
	if e.Hint != "" {
		sb.WriteString("\n\thelp: " + e.Hint)
	}
	return sb.String()
}
