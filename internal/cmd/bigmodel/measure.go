package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lxtc/lxtc/internal/hollow"
)

// commands are what is measured; {dir} is the folder of the model.
var commands = [][]string{
	{"inspect", "{dir}"},
	{"rewrite", "{dir}", "-n"},
	{"rewrite", "{dir}", "-o", "{dir}/out.onnx"},
	{"rewrite", "{dir}", "-o", "{dir}/out.onnx", "--form", "explicit"},
}

// measure prints time and memory of each command on each model.
func measure(lxtc, graphs string) error {
	packed, err := filepath.Glob(filepath.Join(graphs, "*.onnx.gz"))
	if err != nil {
		return err
	}
	fmt.Printf("%-20s %8s  %-38s %8s %8s %8s %10s\n", "model", "weights", "lxtc", "seconds", "of CPU", "memory", "written")
	for _, path := range packed {
		if err := measureModel(lxtc, path); err != nil {
			return err
		}
	}
	return nil
}

func measureModel(lxtc, path string) error {
	dir, err := os.MkdirTemp("", "bigmodel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	_, weights, err := hollow.Make(path, dir)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(path), ".onnx.gz")
	for _, args := range commands {
		var full []string
		for _, a := range args {
			full = append(full, strings.ReplaceAll(a, "{dir}", dir))
		}
		out := filepath.Join(dir, "out.onnx")
		_ = os.Remove(out) // of the command before, if that wrote one
		start := time.Now()
		cmd := exec.Command(lxtc, full...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: lxtc %s: %w\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
		}
		took := time.Since(start)
		written := "-"
		if info, err := os.Stat(out); err == nil {
			written = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
		}
		shown := strings.NewReplacer(" {dir}/", " ", " {dir}", "").Replace(strings.Join(args, " "))
		cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		fmt.Printf("%-20s %5.1f GB  %-38s %8.2f %8.2f %8s %10s\n",
			name, float64(weights)/1e9, shown, took.Seconds(), cpu.Seconds(), memory(cmd.ProcessState), written)
	}
	return nil
}
