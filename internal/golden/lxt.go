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

// lxtCase is what a case.json of language models says, as far as it is read.
type lxtCase struct {
	Name         string
	Architecture string
	Sets         []struct {
		Name, Inputs, Relevance string
		Target                  struct {
			Output      string
			IndexPerRow [][]int64 `json:"index_per_row"`
		}
		RelevanceInputs map[string]explained `json:"relevance_inputs"`
		Intermediate    map[string]explained
		Runs            []struct {
			ID, Mode, Implementation, Target string
			F32VsF64                         map[string]struct{ L2 float64 } `json:"f32_vs_f64"`
		}
	}
}

type explained struct {
	Tensor string `json:"onnx_tensor"`
}

// LXT reads the cases in the folders of root, whose references LXT computed:
// files case.json, model.onnx, and archives of inputs and relevance.
func LXT(root string) ([]Case, error) {
	files, err := under(root, "case.json")
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, file := range files {
		c, err := readLXT(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func readLXT(file string) (Case, error) {
	var c lxtCase
	text, err := os.ReadFile(file)
	if err != nil {
		return Case{}, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return Case{}, err
	}
	dir := filepath.Dir(file)
	out := Case{Name: filepath.Base(dir), Model: filepath.Join(dir, "model.onnx")}
	for _, set := range c.Sets {
		in, err := readInputs(filepath.Join(dir, set.Inputs))
		if err != nil {
			return Case{}, err
		}
		want, err := npy.ReadFile(filepath.Join(dir, set.Relevance))
		if err != nil {
			return Case{}, err
		}
		tensors := map[string]string{}
		for _, group := range []map[string]explained{set.RelevanceInputs, set.Intermediate} {
			for key, e := range group {
				if e.Tensor != "" { // else it was fused away
					tensors[key] = e.Tensor
				}
			}
		}
		for _, r := range set.Runs {
			run := Run{Name: set.Name + " " + r.ID, Rules: strings.ReplaceAll(r.Mode, "_", "-"), Inputs: in}
			if r.Implementation == "explicit" {
				run.Form = passes.ExplicitForm
			}
			if t, ok := strings.CutPrefix(r.Target, "softmax_t"); ok {
				if _, err := fmt.Sscan(t, &run.Temperature); err != nil {
					return Case{}, fmt.Errorf("target %q: %w", r.Target, err)
				}
			}
			for _, idx := range set.Target.IndexPerRow {
				run.Targets = append(run.Targets, passes.Target{Output: set.Target.Output, Index: idx})
			}
			for _, key := range slices.Sorted(maps.Keys(tensors)) {
				a, ok := want.Get(r.ID + ".f64." + key)
				if !ok || defective(c.Architecture, r.ID, key) {
					continue
				}
				run.Want = append(run.Want, Relevance{key, tensors[key], a, limit(run.Form, r.F32VsF64[key].L2)})
			}
			if len(run.Want) > 0 {
				out.Runs = append(out.Runs, run)
			}
		}
	}
	return out, nil
}

// defective says where LXT's numbers are not what its documented rules give.
func defective(architecture, run, key string) bool {
	if !strings.HasPrefix(architecture, "GPT2") {
		return false
	}
	// LXT's own CP-LRP of GPT-2 halves the values' share in every layer.
	if strings.HasPrefix(run, "cp_lrp.explicit") {
		return true
	}
	// At a tensor that a layer norm reads, LXT's explicit form records (x+1)·G
	// instead of x·G, because its backward pass also accumulates the gradient
	// there. What flows on is right.
	return !strings.Contains(run, "efficient") && key != "inputs_embeds"
}
