package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version says which lxtc this is, the Go version and the platform.
func version() string {
	return fmt.Sprintf("lxtc %s (%s %s/%s)", build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// build is the version of lxtc, and the commit if it was built from a
// checkout.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown version"
	}
	parts := []string{info.Main.Version}
	if info.Main.Version == "" || info.Main.Version == "(devel)" {
		parts[0] = "devel"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			parts = append(parts, s.Value[:12])
		case s.Key == "vcs.modified" && s.Value == "true":
			parts = append(parts, "modified")
		}
	}
	return strings.Join(parts, " ")
}
