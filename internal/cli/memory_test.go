package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFreeMemory(t *testing.T) {
	const meminfo = "MemTotal:       24576 kB\nMemFree:         100 kB\nMemAvailable:    2048 kB\n"
	tests := []struct {
		name  string
		files map[string]string
		want  int64
		known bool
	}{
		{"a system without /proc", nil, 0, false},
		{"what the machine has left", map[string]string{"proc/meminfo": meminfo}, 2 << 20, true},
		{"swap space too", map[string]string{"proc/meminfo": meminfo + "SwapFree: 1024 kB\n"}, 3 << 20, true},
		{
			"a control group that has less",
			map[string]string{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": "1048576\n", "sys/fs/cgroup/memory.stat": "file 900000\nanon 48576\n"},
			1000000, true,
		},
		{
			"a control group without a limit",
			map[string]string{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.stat": "anon 48576\n"},
			2 << 20, true,
		},
		{
			"a control group of version 1",
			map[string]string{"proc/meminfo": meminfo, "sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n", "sys/fs/cgroup/memory/memory.stat": "rss 1\ntotal_rss 96\n"},
			4000, true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got, known := freeMemory(root); got != tt.want || known != tt.known {
				t.Errorf("%d, %v; want %d, %v", got, known, tt.want, tt.known)
			}
		})
	}
}

// The model that lxtc carries needs some megabytes. It says so before it runs, if
// there are fewer, and does not begin if they are far fewer; if its weights were mapped, that they are read again.
func TestTooLittleMemoryIsSaidBefore(t *testing.T) {
	digit := filepath.Join("..", "..", "testdata", "onnx", "digits-vit")
	for _, tt := range []struct {
		name string
		args []string
		free int64
		code int
		want string
	}{
		{"almost none", []string{"explain"}, 1000, exitFailed, "lxtc: this takes "},
		{"too little, as it seems", []string{"explain"}, 800e3, exitOK, "warning: this takes "},
		{"enough", []string{"explain"}, 1e12, exitOK, ""},
		{"for the values, not for mapped weights", []string{"explain", digit, "--image", filepath.Join(digit, "digit.png")}, 850e3, exitOK, "will be read from the disk more than once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			a := &app{
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: func(string) string { return "" },
				memory: func() (int64, bool) { return tt.free, true },
			}
			if code := a.main(context.Background(), tt.args); code != tt.code {
				t.Fatalf("exit status %d, want %d: %s", code, tt.code, stderr.String())
			}
			if got := stderr.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("stderr is %q, want %q in it", got, tt.want)
			}
		})
	}
}
