package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version says which lxtc this is: its version, the commit if it was built
// from a checkout, the Go version and the platform.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "lxtc (unknown version)"
	}
	parts := []string{"lxtc", info.Main.Version}
	if info.Main.Version == "" || info.Main.Version == "(devel)" {
		parts[1] = "devel"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			parts = append(parts, s.Value[:12])
		case s.Key == "vcs.modified" && s.Value == "true":
			parts = append(parts, "modified")
		}
	}
	return fmt.Sprintf("%s (%s %s/%s)", strings.Join(parts, " "), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
