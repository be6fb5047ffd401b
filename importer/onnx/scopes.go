package onnx

import (
	"strings"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
	"github.com/lxtc/lxtc/ir"
)

// scopesOf returns the modules around a node, outermost first: from PyTorch's
// lists, from its older namespace ("layer: Linear/addmm: aten.addmm"), or from
// the node's name ("/encoder/layers.0/MatMul"), which gives no classes.
func scopesOf(n *pb.NodeProto) []ir.Scope {
	names, ok := pb.ParsePythonList(pb.Metadata(n.MetadataProps, pb.KeyScopes))
	if ok && len(names) > 0 {
		if names[0] == noModule {
			return nil
		}
		classes, _ := pb.ParsePythonList(pb.Metadata(n.MetadataProps, pb.KeyClasses))
		scopes := make([]ir.Scope, len(names)-1)
		for i := range scopes {
			scopes[i].Name = names[i]
			if len(classes) == len(names) {
				scopes[i].Class = classes[i]
			}
		}
		return trimmed(scopes)
	}
	if ns := pb.Metadata(n.MetadataProps, pb.KeyNamespace); ns != "" {
		var scopes []ir.Scope
		for part := range strings.SplitSeq(ns, "/") {
			name, class, _ := strings.Cut(part, ": ")
			scopes = append(scopes, ir.Scope{Name: name, Class: class})
		}
		return trimmed(scopes[:len(scopes)-1])
	}
	return scopesOfName(n.Name)
}

// noModule is what PyTorch calls the module of a node that belongs to none.
const noModule = "_empty_nn_module_stack_from_metadata_hook"

// scopesOfName splits a path such as TorchScript's exporter gives to nodes. The
// names of scopes are dotted paths, as PyTorch itself calls modules.
func scopesOfName(name string) []ir.Scope {
	path := dotted(name) // of which the scopes are prefixes: their bytes are shared
	var scopes []ir.Scope
	for i, c := range []byte(strings.Trim(name, "/")) {
		if c == '/' {
			scopes = append(scopes, ir.Scope{Name: path[:i]})
		}
	}
	return scopes
}

// dotted returns the name of a node as the path of a module.
func dotted(name string) string { return strings.ReplaceAll(strings.Trim(name, "/"), "/", ".") }

// trimmed returns scopes, nil if there are none.
func trimmed(scopes []ir.Scope) []ir.Scope {
	if len(scopes) == 0 {
		return nil
	}
	return scopes
}
