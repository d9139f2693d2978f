package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"lawa-replay/trajectory"
)

func newInspect() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect RUN",
		Short: "Show what a trajectory holds",
		Long: `Show a trajectory: its model, data and settings, its checkpoints with what was
logged, and the tensors of the first one. --json prints the same for programs.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), cmd.OutOrStdout(), args[0], asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func runInspect(_ context.Context, out io.Writer, dir string, asJSON bool) error {
	t, err := trajectory.Open(dir)
	if err != nil {
		return err
	}
	for _, w := range t.Warnings {
		say("warning: %s", w)
	}
	type tensor struct {
		Name  string  `json:"name"`
		DType string  `json:"dtype"`
		Shape []int64 `json:"shape"`
	}
	var tensors []tensor
	values := int64(0)
	if len(t.Checkpoints) > 0 {
		w, err := t.Map(0, true)
		if err != nil {
			return err
		}
		defer w.Close()
		for _, x := range w.Header.Tensors {
			tensors = append(tensors, tensor{x.Name, string(x.DType), x.Shape})
			values += x.Elements()
		}
	}
	if asJSON {
		for i := range t.Checkpoints {
			t.Checkpoints[i].Known = nil
		}
		return printJSON(out, map[string]any{"trajectory": t.Meta, "checkpoints": t.Checkpoints, "tensors": tensors})
	}
	m := t.Meta
	fmt.Fprintf(out, "run       %s (seed %d)\nmodel     %s\ndata      %s\ntraining  %s\nwritten   by %s on %s\n", m.Run, m.Seed, m.Model, m.Data, oneLine(m.Training), m.Software, strings.Join(m.Devices, ", "))
	fmt.Fprintf(out, "tensors   %d with %d values\n\n", len(tensors), values)
	w := newTable("epoch", "step", "bytes", "seconds", "lr", "train loss", "val loss", "val top-1 (%)")
	for _, c := range t.Checkpoints {
		w.AppendRow(table.Row{trajectory.EpochName(c.Epoch), c.Step, c.Bytes, fmt.Sprintf("%.1f", c.Seconds), fmt.Sprintf("%.4g", c.LR),
			logged(c, "train/loss", "%.4f"), logged(c, "val/loss", "%.4f"), logged(c, "val/top1", "%.2f")})
	}
	fmt.Fprintln(out, w.Render())
	return nil
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

// newTable is the look of all tables: plain columns, numbers to the right.
func newTable(header ...string) table.Writer {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	w.SetStyle(style)
	row, columns := table.Row{}, []table.ColumnConfig{}
	for i, h := range header {
		row = append(row, h)
		columns = append(columns, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	w.AppendHeader(row)
	w.SetColumnConfigs(columns)
	return w
}
