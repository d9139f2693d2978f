package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/trajectory"
)

func newInspect() *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect RUN...",
		Short: "Show what a trajectory, or a folder of checkpoints, holds",
		Long: `Show a trajectory: its model, data and settings, its checkpoints with what was
logged, and with --tensors the tensors of the first one. --json prints all of it for
programs. RUN may also be a checkpoint of another program, or a folder of them, which
import would take: only the lists of their tensors are read.`,
		Example: `  lawa-replay inspect run
  lawa-replay inspect checkpoints/
  lawa-replay inspect model.pt --tensors`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return wrong(cmd, err)
			}
			return runInspect(cmd.OutOrStdout(), args, o)
		},
	}
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&o.tensors, "tensors", false, "list the tensors")
	o.foreignOptions.flags(c.Flags())
	return c
}

type inspectOptions struct {
	foreignOptions
	asJSON, tensors bool
}

// listed is a tensor as JSON.
type listed struct {
	Name  string  `json:"name"`
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
}

func runInspect(out io.Writer, run []string, o inspectOptions) error {
	t, err := openOne(run, o.foreignOptions)
	if err != nil {
		return err
	}
	var tensors []listed
	values := int64(0)
	if len(t.Checkpoints) > 0 {
		layout, err := t.Tensors(0)
		if err != nil {
			return err
		}
		for _, x := range layout {
			tensors = append(tensors, listed{x.Name, string(x.DType), x.Shape})
			values += x.Elements()
		}
	}
	if o.asJSON {
		return printRunJSON(out, t, tensors)
	}
	printMeta(out, t.Meta)
	fmt.Fprintf(out, "%-9s %d with %d values\n", "tensors", len(tensors), values)
	for alias, kept := range t.Meta.Tied {
		fmt.Fprintf(out, "%-9s %s to %s\n", "tied", alias, kept)
	}
	fmt.Fprintln(out)
	if o.tensors {
		w := newTable("tensor", "dtype", "shape")
		w.SetColumnConfigs(nil)
		for _, x := range tensors {
			w.AppendRow(table.Row{x.Name, x.DType, strings.Trim(strings.ReplaceAll(fmt.Sprint(x.Shape), " ", "×"), "[]")})
		}
		fmt.Fprintln(out, w.Render()+"\n")
	}
	w := newTable("epoch", "step", "bytes", "seconds", "lr", "train loss", "val loss", "val top-1 (%)")
	for i, c := range t.Checkpoints {
		w.AppendRow(table.Row{trajectory.EpochName(c.Epoch), known(t.Step(i), "%d"), c.Bytes, known(c.Seconds, "%.1f"), known(c.LR, "%.4g"),
			logged(c, "train/loss", "%.4f"), logged(c, "val/loss", "%.4f"), logged(c, "val/top1", "%.2f")})
	}
	fmt.Fprintln(out, w.Render())
	return nil
}

// printRunJSON prints all of a trajectory but its recorded evaluations.
func printRunJSON(out io.Writer, t *trajectory.Trajectory, tensors []listed) error {
	type line struct {
		trajectory.Checkpoint
		Step *int64 `json:"step"` // in place of the checkpoint's, which may only count them
	}
	var lines []line
	for i, c := range t.Checkpoints {
		c.Known = nil
		lines = append(lines, line{c, t.Step(i)})
	}
	return printJSON(out, map[string]any{"trajectory": t.Meta, "checkpoints": lines, "tensors": tensors})
}

// printMeta prints what is known of a run, a line each.
func printMeta(out io.Writer, m trajectory.Meta) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(out, "%-9s %s\n", name, text)
		}
	}
	line("run", fmt.Sprintf("%s (seed %s)", m.Run, known(m.Seed, "%d")))
	line("model", m.Model)
	line("data", m.Data)
	if len(m.Training) > 0 {
		line("training", oneLine(m.Training))
	}
	on := ""
	if len(m.Devices) > 0 {
		on = " on " + strings.Join(m.Devices, ", ")
	}
	line("written", "by "+m.Software+on)
}

// oneLine writes JSON settings as a reader wants them.
func oneLine(raw json.RawMessage) string {
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil || len(m) == 0 {
		return "not recorded"
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "not recorded"
	}
	return strings.NewReplacer(`"`, "", "{", "", "}", "", ",", ", ", ":", " ").Replace(string(text))
}

// known writes a value, or a dash where it is not known.
func known[T any](v *T, format string) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf(format, *v)
}

func logged(c trajectory.Checkpoint, name, format string) string {
	v, ok := c.Metrics[name]
	if !ok {
		return "–"
	}
	return fmt.Sprintf(format, float64(v))
}

// printJSON writes what a program reads, so that people can read it too.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printParagraph writes sentences in lines.
func printParagraph(out io.Writer, sentences string) {
	for line := range strings.Lines(text.WrapSoft(sentences, 112)) {
		fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	}
}

// newTable is the look of all tables: plain columns, numbers to the right.
func newTable(header ...string) table.Writer { return newTableOf(text.AlignRight, header...) }

// newTableOf aligns the last column as said, and the others to the right.
func newTableOf(last text.Align, header ...string) table.Writer {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	w.SetStyle(style)
	row, columns := table.Row{}, []table.ColumnConfig{}
	for i, h := range header {
		row = append(row, h)
		align := text.AlignRight
		if i == len(header)-1 {
			align = last
		}
		columns = append(columns, table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align})
	}
	w.AppendHeader(row)
	w.SetColumnConfigs(columns)
	return w
}
