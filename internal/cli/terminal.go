package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lxtc/lxtc/heatmap"
	"golang.org/x/term"
)

// terminalOf returns the terminal that w is, or nil.
func terminalOf(w io.Writer) *os.File {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// colors says what may be written to w: --color, NO_COLOR, CLICOLOR_FORCE and
// TERM count in this order, and then whether w is a terminal.
func (a *app) colors(w io.Writer) heatmap.Colors {
	on := terminalOf(w) != nil
	switch {
	case a.color == "always":
		on = true
	case a.color == "never" || a.env("NO_COLOR") != "":
		on = false
	case a.env("CLICOLOR_FORCE") != "" && a.env("CLICOLOR_FORCE") != "0":
		on = true
	case a.env("TERM") == "dumb":
		on = false
	}
	switch {
	case !on:
		return heatmap.NoColor
	case a.env("COLORTERM") == "truecolor" || a.env("COLORTERM") == "24bit":
		return heatmap.TrueColor
	}
	return heatmap.Color256
}

// width is the number of columns of w, 0 if it is no terminal.
func width(w io.Writer) int {
	f := terminalOf(w)
	if f == nil {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// progress draws a bar on a terminal, if a run is long.
type progress struct {
	w           io.Writer // nil draws nothing
	start, last time.Time
	shown       bool
}

const (
	patience = time.Second            // before the bar appears
	tempo    = 100 * time.Millisecond // between two pictures of it
)

func (a *app) progress() *progress {
	p := &progress{start: time.Now()}
	if f := terminalOf(a.stderr); f != nil && !a.quiet {
		p.w = f
	}
	return p
}

// tick says that done of total nodes have run.
func (p *progress) tick(done, total int) { p.count(done, total, "nodes") }

// count says that done of total are done.
func (p *progress) count(done, total int, what string) {
	now := time.Now()
	if p.w == nil || now.Sub(p.start) < patience || now.Sub(p.last) < tempo {
		return
	}
	p.last, p.shown = now, true
	const columns = 30
	full := columns * done / max(total, 1)
	fmt.Fprintf(p.w, "\r%s%s %3d%% of %d %s, %s ", strings.Repeat("█", full), strings.Repeat("░", columns-full),
		100*done/max(total, 1), total, what, now.Sub(p.start).Round(time.Second))
}

// end takes the bar away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
