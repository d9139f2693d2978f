package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/plots"
)

// listing is a list of what can be named on the command line, made from the kinds of its package.
type listing struct {
	name  string
	title string
	where string // what takes it
	kinds []spec.Described
}

// The lists that need no libtorch.
func schemeList() listing {
	return listing{"schemes", "Averaging schemes", "--scheme of sweep and average, schemes explain; any number may be a range, as in ema:decay=0.5..0.95/0.05", spec.Describe(averaging.Kinds())}
}

func policyList() listing {
	return listing{"policies", "Policies for batch-norm statistics", "--bn of sweep and average, --policy of plot and table", spec.Describe(bn.Kinds())}
}

func figureList() listing {
	return listing{"figures", "Figures", "plot, and --figure of figures", spec.Describe(plots.Kinds())}
}

func formatList() listing {
	var kinds []spec.Described
	for _, k := range formats.Kinds() {
		kinds = append(kinds, spec.Described{Name: k.Name, About: k.About, Source: k.Source, Examples: k.Examples})
	}
	return listing{"formats", "Formats of checkpoints", "import, and sweep, average, inspect and verify of checkpoints of other programs", kinds}
}

// textWidth is the width of help texts and lists, in columns.
const textWidth = 88

// block writes text wrapped, behind a first column of some width that holds its name.
func block(out *strings.Builder, indent, column int, name, what string) {
	if utf8.RuneCountInString(name) > column-2 && name != "" { // too long for the column: a line of its own
		fmt.Fprintf(out, "%*s%s\n", indent, "", name)
		name = ""
	}
	for line := range strings.Lines(text.WrapSoft(what, textWidth-indent-column)) {
		fmt.Fprintf(out, "%*s%-*s%s\n", indent, "", column, name, strings.TrimRight(line, " \n"))
		name = ""
	}
}

// optionText is how an option is written: stride=1, k=….
func optionText(o spec.Option) string {
	if o.Default == "" {
		return o.Name + "=…"
	}
	return o.Name + "=" + o.Default
}

// brief describes kinds for the help of a command, indented by two: names, what they are, and their options.
func brief(kinds []spec.Described) string {
	var out strings.Builder
	column := 0
	for _, k := range kinds {
		column = max(column, len(k.Name)+2)
		for _, o := range k.Options {
			column = max(column, utf8.RuneCountInString(optionText(o))+4)
		}
	}
	column = min(column, 18) // longer names have a line of their own
	for _, k := range kinds {
		block(&out, 2, column, k.Name, k.About)
		for _, o := range k.Options {
			block(&out, 4, column-2, optionText(o), o.About)
		}
	}
	return strings.TrimRight(out.String(), "\n")
}

// shortly names kinds and says what they are, for the help of a command that takes several lists: list says the rest.
func shortly(l listing) string {
	kinds := slices.Clone(l.kinds)
	for i := range kinds {
		kinds[i].Options = nil
	}
	return l.title + " (list " + l.name + " says more):\n" + brief(kinds)
}

// printKinds writes all that is known of kinds.
func printKinds(w io.Writer, kinds []spec.Described) error {
	for i, k := range kinds {
		var out strings.Builder
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(k.Name)
		if len(k.Names) > 0 {
			fmt.Fprintf(&out, ": %s", strings.Join(k.Names, ", "))
		}
		out.WriteByte('\n')
		block(&out, 4, 0, "", capital(k.About))
		if k.Source != "" {
			block(&out, 4, 0, "", k.Source)
		}
		column := 0
		for _, o := range k.Options {
			column = max(column, utf8.RuneCountInString(optionText(o))+2)
		}
		for _, o := range k.Options {
			block(&out, 6, column, optionText(o), o.About)
		}
		examples := strings.Join(k.Examples, "   ")
		if 4+len(examples) > textWidth {
			examples = strings.Join(k.Examples, "\n")
		}
		block(&out, 4, 0, "", examples)
		if _, err := io.WriteString(w, out.String()); err != nil {
			return err
		}
	}
	return nil
}

// capital begins a phrase with a capital letter.
func capital(phrase string) string { return strings.ToUpper(phrase[:1]) + phrase[1:] }

// described is a kind as JSON.
type described struct {
	Name     string   `json:"name"`
	Names    []string `json:"names,omitempty"`
	About    string   `json:"about"`
	Source   string   `json:"source,omitempty"`
	Examples []string `json:"examples"`
	Options  []option `json:"options"`
}

type option struct {
	Name    string `json:"name"`
	Default string `json:"default,omitempty"`
	About   string `json:"about"`
}

// asJSON gives kinds the names that they have as JSON.
func asJSON(kinds []spec.Described) []described {
	out := []described{}
	for _, k := range kinds {
		d := described{k.Name, k.Names, k.About, k.Source, k.Examples, []option{}}
		for _, o := range k.Options {
			d.Options = append(d.Options, option(o))
		}
		out = append(out, d)
	}
	return out
}
