package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/internal/npy"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lxtc": main})
}

// TestScripts runs the stories in testdata/script, each in a folder of its own
// that holds the story's files. Besides testscript's commands they know
//
//	exits CODE lxtc …        run lxtc, which must exit with CODE
//	npz FILE NAME=TYPE[SHAPE]=NUMBERS…
//	near FILE NAME NUMBERS [TOLERANCE]
//	arrays FILE              print names, types and shapes
//	replace FILE OLD NEW     in a binary file, text of equal length
//	picture FILE WIDTH HEIGHT
func TestScripts(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODELS", filepath.Join(root, "testdata", "onnx"))
			e.Setenv("NO_COLOR", "")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if name, ok := strings.CutPrefix(cond, "model:"); ok {
				_, err := os.Stat(filepath.Join(root, "testdata", "onnx", name))
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   exits,
			"npz":     makeArrays,
			"near":    near,
			"arrays":  listArrays,
			"replace": replace,
			"picture": picture,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit status %d, want %d", code, want)
	}
}

// makeArrays writes an archive of arrays given as x=f4[2,3]=1,2,3,4,5,6.
func makeArrays(ts *testscript.TestScript, neg bool, args []string) {
	var archive npy.Archive
	for _, spec := range args[1:] {
		name, rest, _ := strings.Cut(spec, "=")
		typ, list, _ := strings.Cut(rest, "=")
		dtype, dims, _ := strings.Cut(strings.TrimSuffix(typ, "]"), "[")
		shape := []int{}
		for _, d := range strings.FieldsFunc(dims, func(r rune) bool { return r == ',' }) {
			n, err := strconv.Atoi(d)
			ts.Check(err)
			shape = append(shape, n)
		}
		var x []float64
		for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
			v, err := strconv.ParseFloat(s, 64)
			ts.Check(err)
			x = append(x, v)
		}
		arr, err := arrayOf(dtype, shape, x)
		ts.Check(err)
		archive = append(archive, npy.Entry{Name: name, Array: arr})
	}
	ts.Check(npy.WriteFile(ts.MkAbs(args[0]), archive))
}

func arrayOf(dtype string, shape []int, x []float64) (npy.Array, error) {
	switch dtype {
	case "f4":
		return cast[float32](shape, x)
	case "f8":
		return cast[float64](shape, x)
	case "i4":
		return cast[int32](shape, x)
	case "i8":
		return cast[int64](shape, x)
	}
	return npy.Array{}, fmt.Errorf("type %q: want f4, f8, i4 or i8", dtype)
}

func cast[T float32 | float64 | int32 | int64](shape []int, x []float64) (npy.Array, error) {
	out := make([]T, len(x))
	for i, v := range x {
		out[i] = T(v)
	}
	return npy.New(shape, out)
}

// near compares an array with numbers; the tolerance is 1e-6 unless given.
func near(ts *testscript.TestScript, neg bool, args []string) {
	archive, err := npy.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	arr, ok := archive.Get(args[1])
	if !ok {
		ts.Fatalf("%s has no array %q, only %q", args[0], args[1], archive.Names())
	}
	got, err := arr.Float64s()
	ts.Check(err)
	tolerance := 1e-6
	if len(args) > 3 {
		tolerance, err = strconv.ParseFloat(args[3], 64)
		ts.Check(err)
	}
	want := strings.Split(args[2], ",")
	if len(want) != len(got) {
		ts.Fatalf("%s: %v has %d elements, want %s", args[1], got, len(got), args[2])
	}
	for i, s := range want {
		w, err := strconv.ParseFloat(s, 64)
		ts.Check(err)
		if d := got[i] - w; !(d <= tolerance && d >= -tolerance) {
			ts.Fatalf("%s = %v, want %s within %g", args[1], got, args[2], tolerance)
		}
	}
}

func listArrays(ts *testscript.TestScript, neg bool, args []string) {
	archive, err := npy.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range archive {
		fmt.Fprintf(ts.Stdout(), "%s %s %v\n", e.Name, e.Array.DType, e.Array.Shape)
	}
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(args[1]) != len(args[2]) || !bytes.Contains(b, []byte(args[1])) {
		ts.Fatalf("%s: %q is not in it, or not as long as %q", args[0], args[1], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.ReplaceAll(b, []byte(args[1]), []byte(args[2])), 0o644))
}

// picture writes a PNG whose red grows to the right and green downwards.
func picture(ts *testscript.TestScript, neg bool, args []string) {
	w, err := strconv.Atoi(args[1])
	ts.Check(err)
	h, err := strconv.Atoi(args[2])
	ts.Check(err)
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(255 * x / max(w-1, 1)), uint8(255 * y / max(h-1, 1)), 128, 255})
		}
	}
	var buf bytes.Buffer
	ts.Check(png.Encode(&buf, m))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), buf.Bytes(), 0o644))
}
