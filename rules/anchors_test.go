package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// anchor returns the path of a file of numbers that other tools have computed,
// or skips the test.
func anchor(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "fixtures", "anchors", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no golden numbers: %v", err)
	}
	return path
}

// An attributed is one model under one map, with the relevance of x wanted and
// that of y given.
type attributed struct {
	text string
	maps string    // rule map
	set  rules.Set // nil for the standard ones
	form passes.Form
}

// run returns the relevance of x in float64.
func (a attributed) run(t *testing.T, in map[string]*ir.Tensor) []float64 {
	t.Helper()
	set := a.set
	if set == nil {
		set = rules.Standard()
	}
	rm, err := rules.Parse("anchor.rules", a.maps, set)
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, a.text)
	opt := passes.Options{
		Rules: rm, RuleSet: set, Form: a.form, Explain: []string{"x"}, Targets: []passes.Target{{Output: "y", Seed: true}},
	}
	if _, err := bare().Run(context.Background(), m, opt, passes.Driver{Strict: true}); err != nil {
		t.Fatal(err)
	}
	return floats(t, runModel(t, m, reference.NewDouble(), in)["R:x"])
}

// zennit's rules on linear layers of all kinds, with bias and without, in
// float64, on inputs and parameters of both signs.
func TestZennitRules(t *testing.T) {
	var cases []struct {
		Layer, Rule, Key string
		ZeroBias         bool `json:"zero_bias"`
	}
	readJSON(t, anchor(t, "zennit_rules.json"), &cases)
	data, err := npy.ReadFile(anchor(t, "zennit_rules.npz"))
	if err != nil {
		t.Fatal(err)
	}
	layers := map[string]string{
		"linear":      "z = lxt.Linear (x, wt, b)",
		"conv1d":      "z = Conv <pads = [1, 1]> (x, w, b)",
		"conv2d":      "z = Conv (x, w, b)",
		"conv2d_p1s2": "z = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, w, b)",
		"conv2d_g3":   "z = Conv <group = 3> (x, w, b)",
		"convT2d":     "z = ConvTranspose <strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]> (x, w, b)",
		"conv3d":      "z = Conv (x, w, b)",
	}
	lines := map[string]string{
		"Epsilon_1e-6": "epsilon(zennit, BIAS)", "Epsilon_1": "epsilon(1, BIAS)", "Epsilon_clip1e-2": "epsilon(1e-2, clip, BIAS)",
		"Epsilon_normscale1e-1": "epsilon(1e-1, scaled, BIAS)", "Norm": "norm", "ZPlus": "zplus(zennit, BIAS)",
		"AlphaBeta_2_1": "alphabeta(2, zennit, BIAS)", "AlphaBeta_1_0": "alphabeta(1, zennit, BIAS)",
		"Gamma_0.25": "gamma(0.25, zennit, BIAS)", "Gamma_0.5": "gamma(0.5, zennit, BIAS)", "Gamma_100": "gamma(100, zennit, BIAS)",
		"ZBox_-3_3": "zbox(-3, 3, zennit)", "WSquare": "wsquare(zennit, BIAS)", "Flat": "flat(zennit)",
	}
	top := 0.0
	for _, c := range cases {
		t.Run(c.Key, func(t *testing.T) {
			kind := strings.TrimSuffix(strings.TrimSuffix(c.Layer, "_b"), "_nb")
			layer, line := layers[kind], lines[c.Rule]
			if layer == "" || line == "" {
				t.Fatalf("no layer is called %s, or no rule %s", kind, c.Rule)
			}
			bias := "keep"
			if c.ZeroBias {
				bias = "zero"
			}
			in := map[string]*ir.Tensor{}
			var params []string
			for name, array := range map[string]string{"x": "x", "w": "weight", "b": "bias", "R:y": "y"} {
				if name == "b" && strings.HasSuffix(c.Layer, "_nb") {
					layer = strings.Replace(layer, ", b)", ")", 1)
					continue
				}
				in[name] = tensorAs(t, data, c.Layer+"/"+array, ir.Double)
				if name != "R:y" {
					params = append(params, in[name].TypeOf().String()+" "+name)
				}
			}
			if kind == "linear" {
				layer = "wt = Transpose (w) " + layer
			}
			slices.Sort(params)
			got := attributed{
				text: fmt.Sprintf("g (%s) => (%s y) { %s y = Identity (z) }", strings.Join(params, ", "), in["R:y"].TypeOf(), layer),
				maps: "Identity => move\n* => " + strings.Replace(line, "BIAS", bias, 1),
				form: passes.ExplicitForm,
			}.run(t, in)
			d := worst(got, floats(t, tensorAs(t, data, c.Key, ir.Double)))
			top = max(top, d)
			// Both compute in float64. Measured: 6e-14.
			if !(d <= 1e-12) {
				t.Errorf("relevance is %.3g off, want at most 1e-12", d)
			}
		})
	}
	t.Logf("at most %.2g off", top)
}

// innvestigate are the rules of iNNvestigate's methods, in its dialect.
var innvestigate = map[string]string{
	"LRPZ":                        "* => epsilon(1e-7, zeros)",
	"LRPZIgnoreBias":              "* => epsilon(1e-7, zeros, zero)",
	"LRPEpsilon":                  "* => epsilon(innvestigate)",
	"LRPEpsilonIgnoreBias":        "* => epsilon(innvestigate, zero)",
	"LRPEpsilonIB":                "* => epsilon(innvestigate, zero)",
	"LRPZPlus":                    "* => zplus(innvestigate)",
	"LRPZPlusFast":                "* => zplus(innvestigate-fast)",
	"LRPAlpha1Beta0":              "* => alphabeta(1, innvestigate)",
	"LRPAlpha1Beta0IgnoreBias":    "* => alphabeta(1, innvestigate, zero)",
	"LRPAlpha2Beta1":              "* => alphabeta(2, innvestigate)",
	"LRPAlpha2Beta1IgnoreBias":    "* => alphabeta(2, innvestigate, zero)",
	"LRPAlpha2Beta1IB":            "* => alphabeta(2, innvestigate, zero)",
	"LRPFlat":                     "* => flat(innvestigate)",
	"LRPZ_Flat_input_layer_rule":  "* => flat(innvestigate)",
	"LRPZ_boxed_input_layer_rule": "* => zbox(-10, 10, innvestigate)",
	"LRPWSquare":                  "* => wsquare(innvestigate)",
	"Bounded":                     "* => zbox(-3, 3, innvestigate)",
	"BoundedDeepTaylor":           "* => zbox(-128, 128, innvestigate)",
	"LRPSequentialPresetA":        "use innvestigate-preset-a",
	"LRPSequentialPresetB":        "use innvestigate-preset-b",
	"LRPSequentialPresetAFlat":    "* => flat(innvestigate)",
	"LRPSequentialPresetBFlat":    "* => flat(innvestigate)",
	"DeepTaylor":                  "use deep-taylor",
	"Gradient":                    "use gradient",
	"InputTimesGradient":          "use gradient-input",
	"GuidedBackprop":              "use guided-backprop",
	"Deconvnet":                   "use deconvnet",
}

func TestInnvestigateLayers(t *testing.T) {
	data, err := npy.ReadFile(anchor(t, "innvestigate_layers.npz"))
	if err != nil {
		t.Fatal(err)
	}
	// The file has pictures of [row, column, channel].
	const conv = "u = Transpose <perm = [0, 3, 1, 2]> (x) k = Transpose <perm = [3, 2, 0, 1]> (w) z = Conv (u, k, b) "
	const back = "t = Transpose <perm = [0, 2, 3, 1]> (a) y = Flatten (t)"
	layers := []struct{ name, params, nodes string }{
		{"Dense", "float[3,5] w, float[5] b", "z = lxt.Linear (x, w, b) y = Flatten (z)"},
		{"Dense_relu", "float[3,5] w, float[5] b", "z = lxt.Linear (x, w, b) a = Relu (z) y = Flatten (a)"},
		{"Conv2D", "float[3,3,3,5] w, float[5] b", conv + "a = Identity (z)" + back},
		{"Conv2D_relu", "float[3,3,3,5] w, float[5] b", conv + "a = Relu (z)" + back},
		{"AveragePooling2D", "", "u = Transpose <perm = [0, 3, 1, 2]> (x) a = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (u)" + back},
		{"MaxPooling2D", "", "u = Transpose <perm = [0, 3, 1, 2]> (x) a = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (u)" + back},
	}
	top := 0.0
	for method, line := range innvestigate {
		if strings.HasSuffix(method, "IB") || method == "Bounded" {
			continue // of TestInnvestigateBias
		}
		for _, l := range layers {
			t.Run(method+"/"+l.name, func(t *testing.T) {
				in := map[string]*ir.Tensor{"x": tensorAs(t, data, "LRPZ/input", ir.Float)}
				output := tensorAs(t, data, method+"/"+l.name+"/output", ir.Float)
				maps := "Transpose, Flatten, Identity, MaxPool => move\nRelu => pass\nAveragePool => epsilon(1e-7, zeros)\n" + line
				if strings.HasPrefix(line, "use") {
					maps = line
				}
				if strings.HasSuffix(method, "DeepTaylor") {
					maps = "AveragePool => gradient\n" + maps
				}
				params := l.params
				if params != "" {
					params = ", " + params
					in["w"], in["b"] = tensorAs(t, data, method+"/"+l.name+"/w0", ir.Float), tensorAs(t, data, method+"/"+l.name+"/w1", ir.Float)
				}
				a := attributed{
					text: fmt.Sprintf("g (float[8,10,10,3] x%s) => (%s y) { %s }", params, output.TypeOf(), l.nodes),
					maps: maps, form: passes.ExplicitForm,
				}
				seed := highest(floats(t, output), output.Shape)
				switch method {
				case "InputTimesGradient":
					a.form = passes.GradientForm
				case "Gradient": // from 1
					for i, r := range seed {
						if r != 0 {
							seed[i] = 1
						}
					}
				}
				in["R:y"] = ir.Of(float32s(seed), output.Shape...)
				d := worst(a.run(t, in), floats(t, tensorAs(t, data, method+"/"+l.name+"/attribution", ir.Double)))
				top = max(top, d)
				// iNNvestigate computed in float32; measured: 3e-7.
				if !(d <= 1e-6) {
					t.Errorf("relevance is %.3g off, want at most 1e-6", d)
				}
			})
		}
	}
	t.Logf("at most %.2g off", top)
}

// highest is the output at its largest element of each row, elsewhere 0.
func highest(output []float64, shape []int) []float64 {
	seed := make([]float64, len(output))
	n := len(output) / shape[0]
	for row := range shape[0] {
		best := row * n
		for i := row * n; i < (row+1)*n; i++ {
			if output[i] > output[best] {
				best = i
			}
		}
		seed[best] = output[best]
	}
	return seed
}

func float32s(xs []float64) []float32 {
	f := make([]float32, len(xs))
	for i, x := range xs {
		f[i] = float32(x)
	}
	return f
}

// iNNvestigate's rules on inputs and biases of both signs.
func TestInnvestigateBias(t *testing.T) {
	var file struct {
		W, X  [][]float64
		B     []float64
		Cases map[string][][]float64
	}
	readJSON(t, anchor(t, "innvestigate_bias_dense.json"), &file)
	matrix := func(rows [][]float64) *ir.Tensor { return ir.Of(slices.Concat(rows...), len(rows), len(rows[0])) }
	in := map[string]*ir.Tensor{"x": matrix(file.X), "w": matrix(file.W), "b": ir.Of(file.B, len(file.B))}
	const text = "g (double[3,6] x, double[6,4] w, double[4] b) => (double[3,4] y) { y = lxt.Linear (x, w, b) }"
	y := floats(t, runModel(t, parse(t, text), reference.NewDouble(), in)["y"])
	for i := range y { // the second of four outputs is explained
		if i%4 != 1 {
			y[i] = 0
		}
	}
	in["R:y"] = ir.Of(y, 3, 4)
	for method, want := range file.Cases {
		t.Run(method, func(t *testing.T) {
			got := attributed{text: text, maps: innvestigate[method], form: passes.ExplicitForm}.run(t, in)
			// iNNvestigate computed in float32; measured: 4e-7.
			if d := worst(got, slices.Concat(want...)); !(d <= 1e-6) {
				t.Errorf("relevance is %.3g off, want at most 1e-6", d)
			}
		})
	}
}

// An anchorLayer is a layer of a net whose relevance one can compute by hand.
type anchorLayer struct {
	Op   string
	W    json.RawMessage // [out][in] of a linear layer, [channel] of a scale
	B    []float64
	Rule struct {
		Rule              string
		Eps, Gamma, Alpha float64
	}
	Branch   []anchorLayer
	Branches [][]anchorLayer
	Keep     []int
	K, S     int
	Shape    []int
}

// Nets of Captum's, RelevancePropagation.jl's and zennit-crp's own tests.
func TestAnalyticNets(t *testing.T) {
	var file struct {
		Cases []struct {
			ID     string
			Layers []anchorLayer
			Input  [][]float64
			Seed   json.RawMessage
			Expect [][]float64
			Tol    float64
		}
	}
	readJSON(t, anchor(t, "analytic.json"), &file)
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			n := &netWriter{t: t, set: rules.Standard()}
			last, width := n.layers(c.Layers, "x", len(c.Input[0]))
			rows := len(c.Input)
			text := fmt.Sprintf("g (double[%d,%d] x) => (double[%d,%d] y) <%s> { %s y = Identity (%s) }",
				rows, len(c.Input[0]), rows, width, strings.Join(n.consts, ", "), n.nodes.String(), last)
			text = strings.Replace(text, "<> ", "", 1)
			in := map[string]*ir.Tensor{"x": ir.Of(slices.Concat(c.Input...), rows, len(c.Input[0]))}
			y := floats(t, runModel(t, parse(t, text), reference.NewDouble(), in)["y"])
			in["R:y"] = ir.Of(seedOf(t, c.Seed, y, width), rows, width)
			maps := n.maps.String() + "Identity, Reshape, Squeeze, Unsqueeze, Concat, Flatten => move\nRelu, Tanh => identity\nMaxPool => winner-takes-all\n"
			got := attributed{text: text, maps: maps, set: n.set, form: passes.ExplicitForm}.run(t, in)
			want := slices.Concat(c.Expect...)
			for i, w := range want { // which have as many digits as their tests
				if !(math.Abs(got[i]-w) <= c.Tol) {
					t.Errorf("relevance is %v, want %v", got, want)
					break
				}
			}
		})
	}
}

// seedOf reads a seed: the output, one column or row of it, or numbers.
func seedOf(t *testing.T, text json.RawMessage, y []float64, width int) []float64 {
	t.Helper()
	if string(text) == `"output"` {
		return y
	}
	var s struct {
		Index, Row *int
		Vector     [][]float64
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Vector != nil {
		return slices.Concat(s.Vector...)
	}
	seed := make([]float64, len(y))
	for i := range y {
		if s.Index != nil && i%width == *s.Index || s.Row != nil && i/width == *s.Row {
			seed[i] = y[i]
		}
	}
	return seed
}

// A netWriter writes layers as ONNX text, with the lines of a rule map for its
// nodes.
type netWriter struct {
	t      *testing.T
	set    rules.Set
	nodes  strings.Builder
	maps   strings.Builder
	consts []string
	count  int
}

func (n *netWriter) fresh(prefix string) string {
	n.count++
	return fmt.Sprint(prefix, n.count)
}

func (n *netWriter) constant(typ string, xs any) string {
	name := n.fresh("c")
	list := strings.NewReplacer("[", "", "]", "", " ", ", ").Replace(fmt.Sprint(xs))
	n.consts = append(n.consts, fmt.Sprintf("%s %s = {%s}", typ, name, list))
	return name
}

// node adds a node of its own name, with its line in the map.
func (n *netWriter) node(expr, rule string) string {
	name := n.fresh("n")
	fmt.Fprintf(&n.nodes, "[%s] %s = %s ", name, name, expr)
	if rule != "" {
		op, _, _ := strings.Cut(expr, " ")
		fmt.Fprintf(&n.maps, "%s %q => %s\n", op, name, rule)
	}
	return name
}

// layers adds layers after value x of the given width, and returns the last
// value with its width.
func (n *netWriter) layers(ls []anchorLayer, x string, width int) (string, int) {
	for _, l := range ls {
		x, width = n.layer(l, x, width)
	}
	return x, width
}

func (n *netWriter) layer(l anchorLayer, x string, width int) (string, int) {
	rule := l.rule()
	switch l.Op {
	case "linear":
		var w [][]float64
		if err := json.Unmarshal(l.W, &w); err != nil {
			n.t.Fatal(err)
		}
		args := []string{x, "", n.constantMatrixT(w)}
		if l.B != nil {
			args = append(args, n.constant(fmt.Sprintf("double[%d]", len(l.B)), l.B))
		}
		return n.node("lxt.Linear ("+strings.Join(slices.Delete(args, 1, 2), ", ")+")", rule), len(w)
	case "scale":
		var w []float64
		if err := json.Unmarshal(l.W, &w); err != nil {
			n.t.Fatal(err)
		}
		typ := fmt.Sprintf("double[%d]", len(w))
		return n.node(fmt.Sprintf("Add (%s, %s)", n.node(fmt.Sprintf("Mul (%s, %s)", x, n.constant(typ, w)), rule), n.constant(typ, l.B)), rule), width
	case "relu", "tanh":
		return n.node(strings.ToUpper(l.Op[:1])+l.Op[1:]+" ("+x+")", ""), width
	case "residual":
		branch, _ := n.layers(l.Branch, x, width)
		return n.node(fmt.Sprintf("Add (%s, %s)", branch, x), rule), width
	case "concat":
		var parts []string
		sum := 0
		for _, b := range l.Branches {
			v, k := n.layers(b, x, width)
			parts, sum = append(parts, v), sum+k
		}
		return n.node("Concat <axis = 1> ("+strings.Join(parts, ", ")+")", ""), sum
	case "maxpool_last":
		u := n.node(fmt.Sprintf("Unsqueeze (%s, %s)", x, n.constant("int64[1]", []int{1})), "")
		p := n.node(fmt.Sprintf("MaxPool <kernel_shape = [%d], strides = [%d]> (%s)", l.K, l.K, u), "")
		return n.node(fmt.Sprintf("Squeeze (%s, %s)", p, n.constant("int64[1]", []int{1})), ""), width / l.K
	case "maxpool2d":
		u := n.node(fmt.Sprintf("Reshape (%s, %s)", x, n.constant("int64[4]", []int{-1, 1, l.Shape[0], l.Shape[1]})), "")
		p := n.node(fmt.Sprintf("MaxPool <kernel_shape = [%d, %d], strides = [%d, %d]> (%s)", l.K, l.K, l.S, l.S, u), "")
		side := func(k int) int { return (l.Shape[k]-l.K)/l.S + 1 }
		return n.node("Flatten ("+p+")", ""), side(0) * side(1)
	case "mask_relevance":
		if l.Keep == nil {
			return x, width
		}
		return n.node("Identity ("+x+")", n.mask(l.Keep, width)), width
	}
	n.t.Fatalf("no layer is called %q", l.Op)
	return "", 0
}

func (n *netWriter) constantMatrixT(w [][]float64) string {
	var columns []float64
	for i := range w[0] {
		for _, row := range w {
			columns = append(columns, row[i])
		}
	}
	return n.constant(fmt.Sprintf("double[%d,%d]", len(w[0]), len(w)), columns)
}

// mask adds a rule that hands on the relevance of some columns only.
func (n *netWriter) mask(keep []int, width int) string {
	ones := make([]float64, width)
	for _, i := range keep {
		ones[i] = 1
	}
	name := n.fresh("mask")
	n.set = append(n.set, &rules.Rule{
		Name: name, Doc: "a mask",
		Relevance: func(c *rules.Context) []*ir.Value { return c.Only(0, c.Mul(c.R[0], c.Constant(ir.Of(ones, width)))) },
	})
	return name
}

// rule is the layer's rule as a map writes it.
func (l anchorLayer) rule() string {
	switch r := l.Rule; r.Rule {
	case "epsilon":
		return fmt.Sprintf("epsilon(%g)", r.Eps)
	case "gamma":
		return fmt.Sprintf("gamma(%g, %g)", r.Gamma, r.Eps)
	case "gamma_orig":
		return fmt.Sprintf("gamma(%g, captum)", r.Gamma)
	case "zplus_pos":
		return "zplus(captum)"
	case "alphabeta":
		return fmt.Sprintf("alphabeta(%g, %g)", r.Alpha, r.Eps)
	default:
		return r.Rule
	}
}
