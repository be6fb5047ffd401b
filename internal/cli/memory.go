package cli

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// hopeless is how many times the memory that is free a run may be expected to
// take. Nodes that are computed together take less than expected.
const hopeless = 4

// checkMemory says before a run that it may take more memory than there is, and
// refuses one that takes many times as much. Values and weights that are no part
// of a file must fit, or the run ends in the middle. Weights that are mapped only
// have to be read again and again.
func (a *app) checkMemory(g *ir.Graph, in map[string]*ir.Tensor) error {
	have, known := a.memory()
	if !known {
		return nil
	}
	values, _ := bind(g, in).intermediates(g)
	own, mapped := held(g)
	switch need := values + own; {
	case need/hopeless > have:
		return diag.Errorf("", "this takes %s of memory, and %s is free", size(need), size(have)).
			Help("--checkpoint takes less, and so do fewer tokens, or one input at a time")
	case need > have:
		a.warn("this takes %s of memory, and %s is free; --checkpoint takes less, and so do fewer tokens, or one input at a time", size(need), size(have))
	case need+mapped > have:
		a.warn("weights of %s and %s of values do not fit into the %s of memory that is free: the weights will be read from the disk more than once, which is slow", size(mapped), size(need), size(have))
	}
	return nil
}

// running are the options of a run on some threads, which fails rather than take
// memory that there is not.
func (a *app) running(threads int) backend.Options {
	o := backend.Options{Threads: threads}
	if have, known := a.memory(); known {
		o.Memory = have
	}
	return o
}

// held counts the bytes of constants that are in memory, and those that are
// mapped from files.
func held(g *ir.Graph) (own, mapped int64) {
	seen := map[*ir.Tensor]bool{}
	for _, v := range g.Consts {
		switch {
		case v.Data == nil || seen[v.Data]:
		case v.Data.From != nil:
			mapped += int64(len(v.Data.Raw))
		default:
			own += int64(len(v.Data.Raw))
		}
		seen[v.Data] = true
	}
	return own, mapped
}

// freeMemory is how much memory this process may still take, on Linux: what the
// machine has left, swap space included, or the control group around the process
// if that is less. Pages of files count as free. Elsewhere it is not known.
func freeMemory(root fs.FS) (bytes int64, known bool) {
	free, known := field(root, "proc/meminfo", "MemAvailable:")
	if !known {
		return 0, false
	}
	swap, _ := field(root, "proc/meminfo", "SwapFree:")
	free = 1024 * (free + swap)
	for _, group := range []struct{ limit, stat, used string }{
		{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.stat", "anon"},                               // version 2
		{"sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.stat", "total_rss"}, // version 1
	} {
		limit, limited := field(root, group.limit, "")
		used, counted := field(root, group.stat, group.used)
		if limited && counted {
			free = min(free, max(limit-used, 0))
		}
	}
	return free, true
}

// field returns the number after a name in a file of lines "name number"; with no
// name the number that the file is.
func field(root fs.FS, file, name string) (int64, bool) {
	b, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if name != "" && (len(words) < 2 || words[0] != name) {
			continue
		}
		if name != "" {
			words = words[1:]
		}
		if len(words) == 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		return n, err == nil // "max" is no limit
	}
	return 0, false
}
