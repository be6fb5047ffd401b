package cli

import (
	"fmt"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/spf13/cobra"
)

// drawing is the flags that say where relevance goes, and how it looks.
type drawing struct {
	out    string
	format string
	cmap   string
	font   string
}

func (d *drawing) flags(c *cobra.Command, out string) {
	f := c.Flags()
	f.StringVarP(&d.out, "output", "o", "", out)
	f.StringVar(&d.format, "format", "", "format of the output, if the ending of -o does not say it: "+strings.Join(formats(), ", "))
	f.StringVar(&d.cmap, "cmap", "", "colours: "+strings.Join(heatmap.Maps(), ", ")+", or a list such as 00f,80:fff,f00")
	f.StringVar(&d.font, "font", "", "TrueType `FILE` for pdf, svg and png, of a script that the Go font lacks: it has Latin, Greek and Cyrillic")
	complete(c, "cmap", heatmap.Maps()...)
	complete(c, "format", formats()...)
}

// style returns the format, "" for the terminal, and the colours.
func (d *drawing) style() (format string, o heatmap.Options, err error) {
	if format, err = formatOf(d.out, d.format); err != nil {
		return format, o, err
	}
	if d.cmap != "" {
		if o.Map, err = heatmap.ParseMap(d.cmap); err != nil {
			return format, o, usageError(err)
		}
	}
	if d.font != "" {
		if o.Font, err = readFile(d.font); err != nil {
			return format, o, unreadable(err)
		}
		if _, err := heatmap.Missing(heatmap.Doc{}, o); err != nil {
			return format, o, unreadable(fmt.Errorf("%s: %w", d.font, err))
		}
	}
	return format, o, nil
}
