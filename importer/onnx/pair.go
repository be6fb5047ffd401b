package onnx

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
)

// Optimum exports a model that translates, transcribes or summarizes as two
// files: an encoder, and a decoder whose input encoder_hidden_states is what the
// encoder computes. Explained one by one, relevance would end at that border. A
// folder with both is therefore read as one model, as a whole export has it:
//
//	input_ids, attention_mask   of the encoder
//	decoder_input_ids           input_ids of the decoder
//	logits, …                   of the decoder
const (
	encoderFile = "encoder_model"
	decoderFile = "decoder_model"
	statesInput = "encoder_hidden_states"
	maskInput   = "encoder_attention_mask"
)

// Encoder returns the file of the encoder that belongs to a decoder's file; ""
// if it is none, or none lies beside it.
func Encoder(decoder string) string {
	dir, name := filepath.Split(decoder)
	rest, ok := strings.CutPrefix(name, decoderFile)
	if !ok {
		return ""
	}
	file := filepath.Join(dir, encoderFile+rest)
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		return ""
	}
	return file
}

// loadPair reads an encoder and a decoder as one model.
func loadPair(encoder, decoder string, fs *files) (*pb.ModelProto, *mapping, error) {
	first, _, err := openProto(encoder, fs)
	if err != nil {
		return nil, nil, inFile(err, encoder)
	}
	second, src, err := openProto(decoder, fs)
	if err != nil {
		return nil, nil, err
	}
	p, err := link(first, second)
	return p, src, err
}

func openProto(file string, fs *files) (*pb.ModelProto, *mapping, error) {
	src, err := fs.open(file)
	if err != nil {
		return nil, nil, err
	}
	p, err := unmarshal(src)
	return p, src, err
}

// link puts an encoder before a decoder. Names of the decoder stay, but for
// inputs that the encoder has too, which get "decoder_" in front; names that the
// encoder shares with it get "encoder/".
func link(encoder, decoder *pb.ModelProto) (*pb.ModelProto, error) {
	if err := sameOpsets(encoder, decoder); err != nil {
		return nil, err
	}
	e, d := encoder.Graph, decoder.Graph
	inputs := namesOf(e.Input)
	inDecoder := map[string]string{} // new names
	var kept []*pb.ValueInfoProto
	joined := false
	for _, v := range d.Input {
		switch name := v.GetName(); {
		case name == statesInput:
			joined = true
			continue
		case name == maskInput && inputs["attention_mask"]:
			inDecoder[name] = "attention_mask"
			continue
		case inputs[name]:
			inDecoder[name] = "decoder_" + name
		}
		kept = append(kept, v)
	}
	if !joined || len(e.Output) == 0 {
		return nil, diag.Errorf("LX1004", "the decoder has no input %q, or the encoder no output: they are not a pair", statesInput).
			Help("name the file of the decoder to read it alone")
	}
	d.Input = kept
	taken := defined(d)
	for _, v := range d.Input {
		if new := inDecoder[v.GetName()]; new != "" {
			taken[new] = true
		}
	}
	inEncoder := map[string]string{}
	for name := range defined(e) {
		if taken[name] && !inputs[name] {
			inEncoder[name] = "encoder/" + strings.TrimPrefix(name, "/")
		}
	}
	renameAll(e, inEncoder)
	inDecoder[statesInput] = e.Output[0].GetName()
	renameAll(d, inDecoder)
	d.Input = slices.Concat(e.Input, d.Input)
	d.Initializer = slices.Concat(e.Initializer, d.Initializer)
	d.SparseInitializer = slices.Concat(e.SparseInitializer, d.SparseInitializer)
	d.Node = slices.Concat(e.Node, d.Node)
	d.ValueInfo = slices.Concat(e.ValueInfo, e.Output, d.ValueInfo)
	decoder.Functions = slices.Concat(encoder.Functions, decoder.Functions)
	return decoder, nil
}

// sameOpsets reports files of different versions, whose nodes cannot be mixed.
func sameOpsets(a, b *pb.ModelProto) error {
	of := map[string]int64{}
	for _, o := range a.OpsetImport {
		of[domainOf(o.GetDomain())] = o.GetVersion()
	}
	for _, o := range b.OpsetImport {
		domain := domainOf(o.GetDomain())
		if v, ok := of[domain]; ok && v != o.GetVersion() {
			return diag.Errorf("LX1003", "the encoder has operator set %q at version %d, and the decoder at %d", domain, v, o.GetVersion()).
				Help("export both with the same version")
		}
		delete(of, domain)
	}
	for domain, v := range of {
		b.OpsetImport = append(b.OpsetImport, &pb.OperatorSetIdProto{Domain: domain, Version: v})
	}
	return nil
}

func namesOf(vs []*pb.ValueInfoProto) map[string]bool {
	names := map[string]bool{}
	for _, v := range vs {
		names[v.GetName()] = true
	}
	return names
}

// defined returns the names that g defines, those in its subgraphs too.
func defined(g *pb.GraphProto) map[string]bool {
	names := namesOf(g.Input)
	for _, t := range g.Initializer {
		names[t.GetName()] = true
	}
	for _, t := range g.SparseInitializer {
		names[t.GetValues().GetName()] = true
	}
	for _, n := range g.Node {
		for _, name := range n.GetOutput() {
			names[name] = true
		}
		for _, sub := range subgraphs(n) {
			for name := range defined(sub) {
				names[name] = true
			}
		}
	}
	delete(names, "")
	return names
}

// renameAll gives values of g other names, wherever they are named.
func renameAll(g *pb.GraphProto, to map[string]string) {
	change := func(name *string) {
		if new := to[*name]; new != "" {
			*name = new
		}
	}
	for _, vs := range [][]*pb.ValueInfoProto{g.Input, g.Output, g.ValueInfo} {
		for _, v := range vs {
			change(&v.Name)
		}
	}
	for _, t := range g.Initializer {
		change(&t.Name)
	}
	for _, t := range g.SparseInitializer {
		if t.Values != nil {
			change(&t.Values.Name)
		}
	}
	for _, n := range g.Node {
		for i := range n.Input {
			change(&n.Input[i])
		}
		for i := range n.Output {
			change(&n.Output[i])
		}
		for _, sub := range subgraphs(n) {
			renameAll(sub, to)
		}
	}
}
