package passes_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

func TestParseTarget(t *testing.T) {
	for _, tt := range []struct {
		text string
		want passes.Target
	}{
		{"", passes.Argmax},
		{"argmax", passes.Argmax},
		{"max", passes.Argmax},
		{"logits", passes.Target{Output: "logits", Position: -1}},
		{"logits[argmax]", passes.Target{Output: "logits", Position: -1}},
		{"logits[argmax@5]", passes.Target{Output: "logits", Position: 5}},
		{"logits[argmax@-2]", passes.Target{Output: "logits", Position: -2}},
		{"logits[42@-1]", passes.Target{Output: "logits", Class: []int64{42}, Position: -1}},
		{"logits[42/-7@5]", passes.Target{Output: "logits", Class: []int64{42, -7}, Position: 5}},
		{"logits[0,11,99]", passes.Target{Output: "logits", Index: []int64{0, 11, 99}}},
		{"logits[-1, 3]", passes.Target{Output: "logits", Index: []int64{-1, 3}}},
		{"logits[rank2]", passes.Target{Output: "logits", Rank: 2, Position: -1}},
		{"logits[rank3@5]", passes.Target{Output: "logits", Rank: 3, Position: 5}},
		{"logits[all]", passes.Target{Output: "logits", All: true, Position: -1}},
		{"logits[all@:]", passes.Target{Output: "logits", All: true, Every: true, Position: -1}},
		{"logits[argmax@:]", passes.Target{Output: "logits", Every: true, Position: -1}},
		{"logits[3@:]", passes.Target{Output: "logits", Class: []int64{3}, Every: true, Position: -1}},
		{"logits[:, 1]", passes.Target{Output: "logits", Select: passes.Elements{nil, {1}}}},
		{"logits[0,-1,3|7|-2]", passes.Target{Output: "logits", Select: passes.Elements{{0}, {-1}, {3, 7, -2}}}},
		{"logits[:,:,2:5|9]", passes.Target{Output: "logits", Select: passes.Elements{nil, nil, {2, 3, 4, 9}}}},
		{"-1*logits[3@-1]", passes.Target{Output: "logits", Class: []int64{3}, Position: -1, Weight: -1}},
		{"0.5*logits[0,1]", passes.Target{Output: "logits", Index: []int64{0, 1}, Weight: 0.5}},
		{"a*b[1]", passes.Target{Output: "a*b", Index: []int64{1}}},
		{"/x[0]/y[1,2]", passes.Target{Output: "/x[0]/y", Index: []int64{1, 2}}},
		{"/head/out.0[7]", passes.Target{Output: "/head/out.0", Index: []int64{7}}},
	} {
		got, err := passes.ParseTarget(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%q:\n%s", tt.text, d)
		}
		again, err := passes.ParseTarget(got.String())
		if err != nil || tt.want.Output != "" && !cmp.Equal(again, got) {
			t.Errorf("%q is written %q, which is read as %+v, %v", tt.text, got, again, err)
		}
	}
	for text, want := range map[string]string{
		"logits[1":          "a closing bracket is missing",
		"logits[]":          `index "" is not a number`,
		"logits[1,x]":       `index "x" is not a number`,
		"logits[argmax@x]":  "the position is not a number",
		"logits[x@5]":       `class "x" is not a number`,
		"logits[1/@5]":      `class "" is not a number`,
		"logits[42@x]":      "the position is not a number",
		"logits[argmax 5]":  "the position is not a number",
		"logits[argmax5]":   "the position is not a number",
		"logits[1.5]":       `index "1.5" is not a number`,
		"logits[rank0]":     `rank "0" is no number from 1`,
		"logits[all@x]":     "the position is not a number",
		"logits[:,2:]":      `"2:" is no span; write both its ends`,
		"logits[:,3:3]":     `span "3:3" holds nothing`,
		"logits[:,1||2]":    `"" is no index`,
		"x*logits[1":        "a closing bracket is missing",
		"logits[argmax@5]]": "the position is not a number",
	} {
		if _, err := passes.ParseTarget(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestDefaultSources(t *testing.T) {
	for _, tt := range []struct {
		name, inputs, nodes string
		want                []string
	}{
		{"a float input", "float[2] x", "y = Neg (x)", []string{"x"}},
		{"two float inputs", "float[2] x, float[2] u", "y = Add (x, u)", []string{"x", "u"}},
		{"masks and positions aside", "float[2] pixel_values, float[2] attention_mask, float[2] Position", "y = Sum (pixel_values, attention_mask, Position)", []string{"pixel_values"}},
		{"caches aside", "float[2] x, float[2] \"past_key_values.0.key\"", "y = Add (x, \"past_key_values.0.key\")", []string{"x"}},
		{"states of convolutions aside", "float[2] x, float[2] \"past.0.conv\"", "y = Add (x, \"past.0.conv\")", []string{"x"}},
		{"the embedding of token ids", "int64[3] input_ids", "e = Gather (table, input_ids) y = Neg (e)", []string{"e"}},
		{"the larger of two tables", "int64[3] input_ids", "s = Gather (small, input_ids) e = Gather (table, input_ids) y = Add (s, e)", []string{"e"}},
		{"rows of which only the shape is read", "int64[3] input_ids", "m = Gather (table, input_ids) s = Shape (m) e = Gather (table, input_ids) r = Reshape (e, s) y = Neg (r)", []string{"e"}},
		{"ids cast and reshaped", "int32[3] input_ids", "c = Cast <to = 7> (input_ids) r = Reshape (c, shape) e = Gather (table, r) y = Neg (e)", []string{"e"}},
		{"ids transposed, as XLNet's", "int64[1,3] input_ids", "t = Transpose (input_ids) e = Gather (table, t) y = Neg (e)", []string{"e"}},
		{"a table of half floats", "int64[3] input_ids", "t = Cast <to = 10> (table) e = Gather (t, input_ids) y = Neg (e)", []string{"e"}},
		{"segments aside", "int64[3] input_ids, int64[3] token_type_ids", "e = Gather (table, input_ids) s = Gather (small, token_type_ids) y = Add (e, s)", []string{"e"}},
		{"ids that index nothing", "int64[3] input_ids", "c = Cast <to = 1> (input_ids) y = Neg (c)", nil},
		{"a table that is computed", "int64[3] input_ids, int64[5,2] other", "c = Cast <to = 1> (other) e = Gather (c, input_ids) y = Neg (e)", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse("g ("+tt.inputs+") => (y) <float[5,2] table = {0,1,2,3,4,5,6,7,8,9}, float[2,2] small = {0,1,2,3}, int64[1] shape = {3}> { "+tt.nodes+" }", ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range passes.DefaultSources(m.Graph) {
				got = append(got, v.Name)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestTargetByAlias explains a tensor that canonical makes one with an output.
func TestTargetByAlias(t *testing.T) {
	for _, only := range []bool{false, true} {
		m, err := ir.Parse("g (float[1,2,3] x) => (float[1,2,3] y) { a = Neg (x) y = Cast <to = 1> (a) }", ops.Standard())
		if err != nil {
			t.Fatal(err)
		}
		targets := []passes.Target{{Output: "a", Position: 1}, {Output: "y", Position: 0, Weight: -1}}
		opt := passes.Options{Targets: targets, TargetsOnly: only}
		r, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"y[argmax@1]", "-1*y[argmax@0]"}
		if d := cmp.Diff(want, r.Targets); d != "" {
			t.Error(d)
		}
		if targets[0].Output != "a" {
			t.Errorf("the caller's target is now %q", targets[0].Output)
		}
	}
}
