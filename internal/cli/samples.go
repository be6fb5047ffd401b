package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/attribution"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// sample is one input of many. It is read when its turn comes.
type sample struct {
	name   string
	target *passes.Target // what to score; nil for what the command does
	feed   func() (*feed, error)
}

// number tells samples apart, whatever their order: each has random numbers of
// its own.
func (s sample) number() uint64 {
	h := fnv.New64a()
	h.Write([]byte(s.name))
	return h.Sum64()
}

// samples lists what to evaluate on.
func (a *app) samples(s *subject, e evaluation) ([]sample, error) {
	if e.data == "" {
		f, err := a.gather(s, e.source)
		if err != nil {
			return nil, err
		}
		name := cmp.Or(e.image, e.input, "text")
		return []sample{{name: name, feed: func() (*feed, error) { return f, nil }}}, nil
	}
	info, err := os.Stat(e.data)
	if err != nil {
		return nil, unreadable(err)
	}
	list := s.textSamples
	if info.IsDir() {
		list = s.pictureSamples
	}
	out, err := list(e)
	if err == nil && len(out) == 0 {
		err = unreadable(diag.Errorf("", "no samples").In(e.data).Help("give a folder of .png, .jpg or .webp files, or a file of lines like {\"text\": \"...\"}"))
	}
	if e.limit > 0 {
		out = out[:min(len(out), e.limit)]
	}
	return out, err
}

// rows makes a sample of every row of a batch.
func rows(l *attribution.Lens, s sample) ([]sample, error) {
	f, err := s.feed()
	if err != nil {
		return nil, err
	}
	batch := l.Rows(f.tensors)
	if batch == nil {
		return []sample{s}, nil
	}
	out := make([]sample, len(batch))
	for k, tensors := range batch {
		row := &feed{tensors: tensors}
		out[k] = sample{name: fmt.Sprintf("%s[%d]", s.name, k), feed: func() (*feed, error) { return row, nil }}
	}
	return out, nil
}

// pictureSamples lists the pictures in a folder and the folders in it, by
// name.
func (s *subject) pictureSamples(e evaluation) ([]sample, error) {
	var out []sample
	for _, pattern := range []string{"*", filepath.Join("*", "*")} {
		paths, err := filepath.Glob(filepath.Join(e.data, pattern))
		if err != nil {
			return nil, usagef("--data %s: %v", e.data, err)
		}
		for _, path := range paths {
			switch strings.ToLower(filepath.Ext(path)) {
			case ".png", ".jpg", ".jpeg", ".webp":
				from := e.source
				from.image = path
				name, err := filepath.Rel(e.data, path)
				if err != nil {
					return nil, err
				}
				out = append(out, sample{name: name, feed: func() (*feed, error) { return s.fed(from) }})
			}
		}
	}
	slices.SortFunc(out, func(a, b sample) int { return cmp.Compare(a.name, b.name) })
	return out, nil
}

// textSamples reads lines of JSON.
func (s *subject) textSamples(e evaluation) ([]sample, error) {
	text, err := os.ReadFile(e.data)
	if err != nil {
		return nil, unreadable(err)
	}
	var out []sample
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		bad := func(format string, args ...any) error {
			return unreadable(fmt.Errorf("%s:%d: "+format, append([]any{e.data, n}, args...)...))
		}
		var line struct {
			Text   string `json:"text"`
			Target string `json:"target"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, bad("want a line like {\"text\": \"...\"}: %w", err)
		}
		if line.Text == "" {
			return nil, bad("no text")
		}
		x := sample{name: fmt.Sprintf("line %d", n)}
		x.feed = func() (*feed, error) { return s.fed(source{text: line.Text}) }
		if line.Target != "" {
			ts, err := s.aims([]string{line.Target}, dims{})
			if err != nil {
				return nil, bad("%w", err)
			}
			if len(ts) != 1 || len(ts[0].Class) > 1 {
				return nil, bad("target %q is not one element", line.Target)
			}
			x.target = &ts[0]
		}
		out = append(out, x)
	}
	return out, nil
}

// fed makes the inputs of one text, which stands for itself, or picture.
func (s *subject) fed(from source) (*feed, error) {
	f := &feed{tensors: map[string]*ir.Tensor{}}
	if from.image != "" {
		if err := s.fromPicture(from, f); err != nil {
			return nil, err
		}
	} else if err := s.fromText(from.text, "", f); err != nil {
		return nil, err
	}
	return f, s.complete(f, from)
}
