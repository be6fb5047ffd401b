package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// maxInlined bounds the nodes that inlining makes: a chain of functions each of
// which calls the next twice doubles with every link.
const maxInlined = 1 << 18

// maxCopied bounds the bytes of names, attributes and lists that inlining
// copies: a function with a name of a megabyte can be called a million times.
// As many nodes as maxInlined allows, with usual names, take a quarter of it.
const maxCopied = 1 << 29

// A call is a node on its way from the file to the graph: its operator in the
// spelling of version, and its inputs found.
type call struct {
	op      ir.OpName
	version int64
	in      []*ir.Value
	out     []string // "" for one that is left out
	attrs   ir.Attrs

	name         string
	origin, role string
	rule, ruleAt string
	scopes       []ir.Scope
	refused      error // why it cannot be read; nil if it can

	// Of the call of a function only:
	bound map[string]*pb.AttributeProto // the values of the function's attributes
	key   funcKey
	up    *call // the call of the function around it
	depth int
	names map[string]string // what names of the body become in the graph
}

// body decodes nodes, in an order in which each comes after what it reads.
func (d *decoder) body(nodes []*pb.NodeProto, sc *scope) error {
	order, err := sorted(nodes)
	if err != nil {
		return err
	}
	for _, n := range order {
		if err := d.node(n, sc); err != nil {
			return at(err, n)
		}
	}
	return nil
}

func (d *decoder) node(n *pb.NodeProto, sc *scope) error {
	if sc.call != nil {
		if d.inlined++; d.inlined > maxInlined {
			return diag.Errorf("LX1007", "inlining the functions makes more than %d nodes", maxInlined)
		}
		if err := d.copies(sizeOf(n, sc.call)); err != nil {
			return err
		}
	}
	c := &call{
		op:     ir.OpName{Domain: domainOf(n.Domain), Name: n.OpType},
		out:    trimEmpty(n.Output),
		name:   n.Name,
		scopes: scopesOf(n),
		origin: pb.Metadata(n.MetadataProps, pb.KeyOrigin),
		role:   pb.Metadata(n.MetadataProps, pb.KeyRole),
		rule:   pb.Metadata(n.MetadataProps, pb.KeyRule),
		ruleAt: pb.Metadata(n.MetadataProps, pb.KeyRuleAt),
	}
	if sc.call != nil {
		c.scopes = append(slices.Clip(sc.call.scopes), c.scopes...)
	}
	for i, name := range trimEmpty(n.Input) {
		if name == "" {
			c.in = append(c.in, nil)
			continue
		}
		v, ok := sc.lookup(name)
		if !ok {
			return undefined(sc, name, fmt.Sprintf("input %d", i))
		}
		c.in = append(c.in, v)
	}
	for len(c.in) > 0 && c.in[len(c.in)-1] == nil { // omitted inputs of a function around
		c.in = c.in[:len(c.in)-1]
	}
	c.version = sc.opsets[c.op.Domain]
	key := keyOf(n.Domain, n.OpType, n.Overload)
	if f := d.funcs[key]; f != nil {
		return d.inline(f, key, c, n, sc)
	}
	var err error
	if c.attrs, err = d.attrs(n.Attribute, sc); err != nil {
		return d.carry(sc, c, err)
	}
	if c.op == (ir.OpName{Name: "Constant"}) {
		return d.carry(sc, c, d.constant(sc, c))
	}
	if err := d.upgrade(sc, c); err != nil {
		return d.carry(sc, c, err)
	}
	return d.emit(sc, c)
}

// carry adds a node that cannot be read, for err, as it stands.
func (d *decoder) carry(sc *scope, c *call, err error) error {
	if !refusable(err) {
		return err
	}
	c.refused = err
	return d.emit(sc, c)
}

// copies counts bytes that inlining copies.
func (d *decoder) copies(bytes int) error {
	if d.copied += bytes; d.copied > maxCopied {
		return diag.Errorf("LX1007", "inlining the functions copies more than %d bytes", maxCopied)
	}
	return nil
}

// sizeOf estimates what the copy of a node takes, in a call.
func sizeOf(n *pb.NodeProto, c *call) int {
	const (
		word  = 16 // a pointer, a number or a string, and what refers to it
		scope = 2 * word
		value = 128
	)
	size := value + word*len(n.Input) + scope*(len(c.scopes)+strings.Count(n.Name, "/"))
	for _, name := range n.Output {
		size += value + len(name) + len(c.prefix())
	}
	for _, p := range n.MetadataProps {
		size += len(p.GetValue())
	}
	for _, a := range n.Attribute {
		if a.GetRefAttrName() != "" {
			a = c.bound[a.RefAttrName]
		}
		size += word * (1 + len(a.GetInts()) + len(a.GetFloats()) + len(a.GetStrings()) + len(a.GetTensors()))
		size += len(a.GetS())
		for _, s := range a.GetStrings() {
			size += len(s)
		}
	}
	return size
}

// emit adds c to the graph, infers the types of its outputs and gives them
// their names. If it is refused, its outputs are what the file declares.
func (d *decoder) emit(sc *scope, c *call) error {
	n := &ir.Node{
		Op: c.op, In: c.in, Attrs: c.attrs,
		Name: c.name, Scopes: c.scopes, Origin: c.origin, Role: c.role, Rule: c.rule, RuleAt: c.ruleAt,
	}
	for _, name := range c.out {
		if name == "" {
			n.Out = append(n.Out, nil)
			continue
		}
		n.Out = append(n.Out, &ir.Value{Name: sc.rename(name)})
	}
	if d.opaque[c.op] { // its types are those the file declares, and inference repeats them
		if err := declare(sc, c, n); err != nil {
			return err
		}
	}
	sc.graph.Append(n)
	if err := d.typed(sc, c, n); err != nil && !refusable(err) {
		return err
	} else if err != nil {
		for _, v := range n.Out {
			if v != nil {
				v.Type, v.Known = ir.Type{}, nil
			}
		}
		_ = declare(sc, c, n) // with nothing inferred it cannot contradict
		var e *diag.Error
		errors.As(err, &e)
		d.refuse(c, n, e)
		n.Op = refusedOp(n.Op)
	}
	for i, name := range c.out {
		if name != "" {
			sc.values[name] = n.Out[i]
		}
	}
	return nil
}

// typed gives n's outputs the types that follow from its operator and those
// that the file declares.
func (d *decoder) typed(sc *scope, c *call, n *ir.Node) error {
	if c.refused != nil {
		return c.refused
	}
	if err := d.infer(n); err != nil {
		return err
	}
	if d.opaque[c.op] {
		d.refuse(c, n, diag.Errorf("LX1010", noMeaning))
	}
	d.need(c.op, c.version)
	return declare(sc, c, n)
}

// infer types n's outputs by its operator. An operator that panics is a bug in
// it, but the file of a stranger must not be able to reach it.
func (d *decoder) infer(n *ir.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = diag.Errorf("LX1099", "inference panicked: %v", p).Help("this is a bug in the compiler, please report it")
		}
	}()
	if err := d.m.Reinfer(n); err != nil {
		return diag.Errorf("LX1012", "%w", err)
	}
	for i, v := range n.Out {
		if v != nil && v.Type.Rank() > maxRank {
			return diag.Errorf("LX1012", "output %d has %d dimensions, more than %d", i, v.Type.Rank(), maxRank)
		}
	}
	return nil
}

// declare adds to the types of n's outputs what the file says of them.
func declare(sc *scope, c *call, n *ir.Node) error {
	for i, name := range c.out {
		if name == "" {
			continue
		}
		declared, err := typeOf(name, sc.types[name])
		if err != nil { // a sequence, say, which only an opaque operator can make
			continue
		}
		if n.Out[i].Type, err = merge(n.Out[i].Type, declared); err != nil {
			return wrap("LX1012", err, "output %q", name)
		}
	}
	return nil
}

// rename returns what the graph calls a name of the file: in the body of a
// function, a name of its own.
func (sc *scope) rename(name string) string {
	if sc.call == nil || sc.up != nil {
		return name
	}
	names := sc.call.names
	if names[name] == "" {
		names[name] = sc.fresh(sc.call.prefix() + name)
	}
	return names[name]
}

// constant makes the constant that a Constant node stands for.
func (d *decoder) constant(sc *scope, c *call) error {
	if len(c.out) != 1 || len(c.in) != 0 || len(c.attrs) != 1 {
		return diag.Errorf("LX1011", "a Constant has one attribute, one output and no input; this has %d, %d and %d",
			len(c.attrs), len(c.out), len(c.in))
	}
	t, err := ops.ConstantOf(c.attrs)
	if err != nil {
		return diag.Errorf("LX1011", "%w", err)
	}
	v := sc.graph.Const(sc.rename(c.out[0]), t)
	sc.values[c.out[0]] = v
	return nil
}

// label names a node of the file for messages.
func label(n *pb.NodeProto) string {
	switch {
	case n.GetName() != "":
		return n.Name
	case len(n.GetOutput()) > 0:
		return n.Output[0]
	}
	return "node " + strconv.Quote(n.GetOpType())
}

// at adds the node to an error that names none yet.
func at(err error, n *pb.NodeProto) error {
	e, ok := err.(*diag.Error)
	if !ok {
		e = diag.Errorf("LX1012", "%w", err)
	}
	if e.Node == "" && e.Op == "" {
		e.At(label(n), ir.OpName{Domain: domainOf(n.Domain), Name: n.OpType}.String())
	}
	return e
}

// trimEmpty drops trailing empty names.
func trimEmpty(names []string) []string {
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	return names
}
