package onnx

import (
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// dropSpatial drops BatchNormalization's attribute spatial: before version 9 it
// could ask for a mean per activation.
func dropSpatial(u *upgrader) error {
	if u.c.attrs.Int("spatial", 1) != 1 {
		return diag.Errorf("LX1013", "spatial = 0 has no equal in later versions")
	}
	u.c.attrs = u.c.attrs.Without("spatial")
	return nil
}

// onlyInference drops the outputs that BatchNormalization had for training
// before version 14, and with them the mode: more than one output meant training.
func onlyInference(u *upgrader) error {
	if len(u.c.out) > 1 {
		return diag.Errorf("LX1013", "it has %d outputs, which means training", len(u.c.out)).
			Help("export the model in evaluation mode")
	}
	return nil
}

// boundsToInputs moves Clip's bounds to inputs of the element type of its
// first.
func boundsToInputs(u *upgrader) error {
	x, err := u.input(0)
	if err != nil {
		return err
	}
	for i, name := range []string{"min", "max"} {
		if !u.c.attrs.Has(name) {
			continue
		}
		t, err := ir.Scalar(x.Type.Elem, float64(u.c.attrs.Float(name, 0)))
		if err != nil {
			return err
		}
		u.setInput(i+1, u.constant(name, t))
	}
	u.c.attrs = u.c.attrs.Without("min", "max")
	return nil
}

// padsToInputs moves Pad's attributes to inputs, the value in the element type
// of its first.
func padsToInputs(u *upgrader) error {
	x, err := u.input(0)
	if err != nil {
		return err
	}
	if value := u.c.attrs.Float("value", 0); value != 0 {
		t, err := ir.Scalar(x.Type.Elem, float64(value))
		if err != nil {
			return err
		}
		u.c.attrs = u.c.attrs.Without("value")
		if err := attrsToInputs("pads")(u); err != nil {
			return err
		}
		u.setInput(2, u.constant("value", t))
		return nil
	}
	u.c.attrs = u.c.attrs.Without("value")
	return attrsToInputs("pads")(u)
}

// resizeWithoutRegion makes room for the input that version 11 put before the
// scales, and says how version 10 counted pixels.
func resizeWithoutRegion(u *upgrader) error {
	if len(u.c.in) != 2 {
		return diag.Errorf("LX1012", "%d inputs, want 2", len(u.c.in))
	}
	u.c.in = []*ir.Value{u.c.in[0], nil, u.c.in[1]}
	u.c.attrs = u.c.attrs.With("coordinate_transformation_mode", "asymmetric").With("nearest_mode", "floor")
	return nil
}

// upsampleToResize says Upsample, which version 10 dropped, by Resize.
func upsampleToResize(u *upgrader) error {
	u.c.op.Name = "Resize"
	return resizeWithoutRegion(u)
}

// softmaxOverRows says what Softmax and its kin meant before version 13: the
// input is taken for a matrix, its rows the axes from axis on. If that is the
// last axis alone, it is what they mean now.
func softmaxOverRows(u *upgrader) error {
	x, err := u.input(0)
	if err != nil {
		return err
	}
	axis, rank := u.c.attrs.Int("axis", 1), x.Type.Rank()
	u.c.attrs = u.c.attrs.With("axis", int64(-1))
	if axis == -1 || axis == int64(rank)-1 {
		return nil
	}
	shape, err := u.node("Shape", "shape", nil, x)
	if err != nil {
		return err
	}
	rows, err := u.node("Flatten", "rows", ir.Attrs{{Name: "axis", Value: axis}}, x)
	if err != nil {
		return err
	}
	y, err := u.node(u.c.op.Name, "of_rows", u.c.attrs, rows)
	if err != nil {
		return err
	}
	u.c.op.Name, u.c.attrs = "Reshape", ir.Attrs{{Name: "allowzero", Value: int64(1)}} // a 0 in shape is one of x
	u.c.in = []*ir.Value{y, shape}
	return nil
}

// equalParts says how many parts Split makes where it is not told their sizes:
// as many as it has outputs.
func equalParts(u *upgrader) error {
	if len(u.c.in) < 2 {
		u.c.attrs = u.c.attrs.With("num_outputs", int64(len(u.c.out)))
	}
	return nil
}

// gridModes renames GridSample's modes.
func gridModes(u *upgrader) error {
	switch u.c.attrs.String("mode", "bilinear") {
	case "bilinear":
		u.c.attrs = u.c.attrs.With("mode", "linear")
	case "bicubic":
		u.c.attrs = u.c.attrs.With("mode", "cubic")
	}
	return nil
}

// groupsToChannels repeats GroupNormalization's scale and bias, one number per
// group before version 21, for each channel of the group.
func groupsToChannels(u *upgrader) error {
	x, err := u.input(0)
	if err != nil {
		return err
	}
	groups := u.c.attrs.Int("num_groups", 0)
	if groups <= 0 || x.Type.Rank() < 2 {
		return diag.Errorf("LX1012", "%d groups of a value of type %s", groups, x.Type)
	}
	channels, ok := x.Type.Shape[1].Num()
	if !ok || channels%groups != 0 {
		return diag.Errorf("LX1012", "%s channels are not a known multiple of %d groups", x.Type.Shape[1], groups)
	}
	for i, what := range []string{"scale", "bias"} {
		v, err := u.input(i + 1)
		if err != nil {
			return err
		}
		column := u.constant(what+"_column", ir.Of([]int64{groups, 1}, 2))
		table := u.constant(what+"_table", ir.Of([]int64{groups, channels / groups}, 2))
		flat := u.constant(what+"_flat", ir.Of([]int64{channels}, 1))
		for _, s := range []struct {
			op    string
			shape *ir.Value
		}{{"Reshape", column}, {"Expand", table}, {"Reshape", flat}} {
			if v, err = u.node(s.op, what, nil, v, s.shape); err != nil {
				return err
			}
		}
		u.c.in[i+1] = v
	}
	return nil
}

// rmsNormalization gives ONNX Runtime's SimplifiedLayerNormalization, which it
// keeps in the domain ai.onnx, the name that ONNX gave it in version 23.
func rmsNormalization(u *upgrader) error {
	if len(u.c.out) > 1 {
		return diag.Errorf("LX1013", "its output InvStdDev has no equal in RMSNormalization")
	}
	u.c.op.Name = "RMSNormalization"
	return nil
}

// scanOfBatches refuses the Scan of version 8, whose tensors all begin with an
// axis of batches.
func scanOfBatches(u *upgrader) error {
	return diag.Errorf("LX1013", "Scan of version 8 runs over batches, which later versions do not")
}

// roisByOutput says how regions were placed before version 16.
func roisByOutput(u *upgrader) error {
	u.c.attrs = u.c.attrs.With("coordinate_transformation_mode", "output_half_pixel")
	return nil
}

// dftAxis moves the axis of DFT, 1 if it is not given, to the third input.
func dftAxis(u *upgrader) error {
	at := u.c.attrs.Int("axis", 1)
	u.setInput(2, u.constant("axis", ir.Of([]int64{at})))
	u.c.attrs = u.c.attrs.Without("axis")
	return nil
}
