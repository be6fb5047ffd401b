package golden

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
		Exact  bool // the references of gradient form are also compared with explicit form
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
				run := Run{Name: m.key, Rules: m.rules, Inputs: in}
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
					if f.Exact {
						c.Runs = append(c.Runs, run.exactly())
					}
				}
			}
			cases = append(cases, c)
		}
	}
	return cases, nil
}

// A method is a rule map and form that an archive has references for.
type method struct{ key, rules, form string }

// rulesIn returns the methods of an archive. The explicit form of AttnLRP and
// CP-LRP has LXT's stabilizer, z + ε: "explicit-lxt".
func rulesIn(archive npy.Archive) []method {
	all := []method{
		{"attnlrp.gradient", "attnlrp", "gradient"},
		{"attnlrp.explicit-lxt", "attnlrp", "explicit"},
		{"cp-lrp.gradient", "cp-lrp", "gradient"},
		{"cp-lrp.explicit-lxt", "cp-lrp", "explicit"},
		{"epsilon_plus.explicit", "epsilon-plus", "explicit"},
		{"gradient-input.gradient", "gradient-input", "gradient"},
		{"epsilon-plus.explicit", "epsilon-plus", "explicit"},
		{"epsilon-plus-flat.explicit", "epsilon-plus-flat", "explicit"},
		{"epsilon-gamma-box.explicit", "epsilon-gamma-box", "explicit"},
		{"epsilon-alpha2-beta1.explicit", "epsilon-alpha2-beta1", "explicit"},
	}
	return slices.DeleteFunc(all, func(m method) bool {
		return !slices.ContainsFunc(archive, func(e npy.Entry) bool { return strings.HasPrefix(e.Name, m.key+".") })
	})
}
