package golden

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/passes"
)

// Project reads the cases of a golden.json: the project's own models, whose
// references the scripts beside them computed.
func Project(dir string) ([]Case, error) {
	text, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		return nil, err
	}
	var families map[string]struct {
		Models map[string]map[string]string // by file, tensors by key
		Target [][]int64
	}
	if err := json.Unmarshal(text, &families); err != nil {
		return nil, err
	}
	var cases []Case
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		archive, err := npy.ReadFile(filepath.Join(dir, name+".npz"))
		if err != nil {
			return nil, err
		}
		in, err := tensors(archive, "in.")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, file := range slices.Sorted(maps.Keys(f.Models)) {
			c := Case{Name: file, Model: filepath.Join(dir, file)}
			for _, m := range rulesIn(archive) {
				run := Run{Name: m.rules + "." + m.form, Rules: m.rules, Inputs: in}
				if m.form != "gradient" {
					run.Form = passes.ExplicitForm
				}
				for _, idx := range f.Target {
					run.Targets = append(run.Targets, passes.Target{Index: idx})
				}
				for _, key := range slices.Sorted(maps.Keys(f.Models[file])) {
					if a, ok := archive.Get(run.Name + "." + key); ok {
						run.Want = append(run.Want, Relevance{key, f.Models[file][key], a, limit(run.Form, 0)})
					}
				}
				if len(run.Want) > 0 {
					c.Runs = append(c.Runs, run)
				}
			}
			cases = append(cases, c)
		}
	}
	return cases, nil
}

type method struct{ rules, form string }

// rulesIn returns the methods that an archive has references for. The explicit
// form of the built-in maps has LXT's stabilizer, z + ε: "explicit-lxt".
func rulesIn(archive npy.Archive) []method {
	var ms []method
	for _, rules := range []string{"attnlrp", "cp-lrp", "epsilon-plus"} {
		for _, form := range []string{"gradient", "explicit-lxt", "explicit"} {
			prefix := rules + "." + form + "."
			has := slices.ContainsFunc(archive, func(e npy.Entry) bool {
				return len(e.Name) > len(prefix) && e.Name[:len(prefix)] == prefix
			})
			if !has || form == "explicit" && rules != "epsilon-plus" {
				continue
			}
			ms = append(ms, method{rules, form})
		}
	}
	return ms
}
