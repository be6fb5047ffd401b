package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"github.com/gogo/protobuf/proto"
	gogo "github.com/gogo/protobuf/protoc-gen-gogo/descriptor"
	plugin "github.com/gogo/protobuf/protoc-gen-gogo/plugin"
	"github.com/gogo/protobuf/vanity"
	"github.com/gogo/protobuf/vanity/command"
	google "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	_ "github.com/gogo/protobuf/gogoproto" // registers gogo.proto, see gogoOptions
)

const (
	protoName = "onnx.proto"
	codeName  = "onnx.pb.go"
)

// generate returns the Go code of a schema, as protoc with the gogofaster
// plugin writes it, except that unrecognized fields follow the schema's option.
func generate(schema string) (string, error) {
	options, err := gogoOptions()
	if err != nil {
		return "", err
	}
	c := protocompile.Compiler{
		SourceInfoMode: protocompile.SourceInfoStandard,
		Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				if path != "gogo.proto" {
					return protocompile.SearchResult{}, protoregistry.NotFound
				}
				return protocompile.SearchResult{Proto: options}, nil
			}),
			&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{protoName: schema})},
		}),
	}
	files, err := c.Compile(context.Background(), protoName)
	if err != nil {
		return "", err
	}
	req := &plugin.CodeGeneratorRequest{
		FileToGenerate: []string{protoName},
		Parameter:      proto.String("paths=source_relative"),
	}
	if err := addFile(req, files[0], map[string]bool{}); err != nil {
		return "", err
	}
	own := vanity.FilterFiles(req.GetProtoFile(), vanity.NotGoogleProtobufDescriptorProto)
	for _, option := range []func(*gogo.FileDescriptorProto){
		vanity.TurnOnMarshalerAll, vanity.TurnOnSizerAll, vanity.TurnOnUnmarshalerAll,
		vanity.TurnOffGoUnkeyedAll, vanity.TurnOffGoSizecacheAll,
	} {
		vanity.ForEachFile(own, option)
	}
	resp := command.Generate(req)
	if resp.Error != nil {
		return "", errors.New(*resp.Error)
	}
	if len(resp.File) != 1 || resp.File[0].GetName() != codeName {
		return "", fmt.Errorf("generator wrote %d files, want only %s", len(resp.File), codeName)
	}
	return resp.File[0].GetContent(), nil
}

// addFile appends f after everything it imports, as protoc hands files to plugins.
func addFile(req *plugin.CodeGeneratorRequest, f protoreflect.FileDescriptor, seen map[string]bool) error {
	if seen[f.Path()] {
		return nil
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		if err := addFile(req, f.Imports().Get(i).FileDescriptor, seen); err != nil {
			return err
		}
	}
	b, err := google.Marshal(protoutil.ProtoFromFileDescriptor(f))
	if err != nil {
		return err
	}
	d := &gogo.FileDescriptorProto{}
	if err := proto.Unmarshal(b, d); err != nil {
		return err
	}
	req.ProtoFile = append(req.ProtoFile, d)
	return nil
}

// gogoOptions is the schema of gogo's options, read from the gogoproto package
// itself. That package says descriptor.proto where everyone else writes
// google/protobuf/descriptor.proto.
func gogoOptions() (*descriptorpb.FileDescriptorProto, error) {
	z, err := gzip.NewReader(bytes.NewReader(proto.FileDescriptor("gogo.proto")))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	d := &descriptorpb.FileDescriptorProto{}
	if err := google.Unmarshal(b, d); err != nil {
		return nil, err
	}
	for i, name := range d.Dependency {
		if name == "descriptor.proto" {
			d.Dependency[i] = "google/protobuf/descriptor.proto"
		}
	}
	return d, nil
}
