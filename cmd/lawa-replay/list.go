//go:build !quick

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
)

// listings are all lists.
func listings() []listing {
	return []listing{schemeList(), networkList(), dataList(), optimizerList(), scheduleList(), taskList(), policyList(), figureList(), formatList()}
}

func networkList() listing {
	return listing{"networks", "Networks", "--model of train, sweep and average", spec.Describe(model.Kinds())}
}

func optimizerList() listing {
	return listing{"optimizers", "Optimizers", "--optimizer of train", spec.Describe(optim.Kinds())}
}

func scheduleList() listing {
	return listing{"schedules", "Schedules of the learning rate", "--schedule of train", spec.Describe(schedule.Kinds())}
}

func dataList() listing {
	return listing{"data", "Data sets", "--data of train, sweep and average", spec.Describe(dataset.Kinds())}
}

func taskList() listing {
	return listing{"tasks", "Tasks", "--task of sweep and average", spec.Describe(task.Kinds())}
}

func newList() *cobra.Command {
	var json, markdown bool
	var names []string
	for _, l := range listings() {
		names = append(names, l.name)
	}
	c := &cobra.Command{
		Use:   "list [" + strings.Join(names, "|") + "]",
		Short: "List what can be named: networks, data, schemes, figures, …",
		Long: `List what can be named on the command line, with options, examples and sources.
Without an argument it says which lists there are. docs/reference.md holds all of them.`,
		Example: `  lawa-replay list
  lawa-replay list schemes
  lawa-replay list schemes --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				switch {
				case markdown:
					return printReference(out)
				case json:
					all := map[string][]described{}
					for _, l := range listings() {
						all[l.name] = asJSON(l.kinds)
					}
					return printJSON(out, all)
				}
				return printListings(out)
			}
			for _, l := range listings() {
				switch {
				case l.name != args[0]:
				case json:
					return printJSON(out, asJSON(l.kinds))
				default:
					return printKinds(out, l.kinds)
				}
			}
			return wrong(cmd, spec.Unknown("list", args[0], names))
		},
	}
	c.Flags().BoolVar(&json, "json", false, "print JSON")
	c.Flags().BoolVar(&markdown, "markdown", false, "print all lists as docs/reference.md has them")
	return c
}

// printListings says which lists there are, and what stands in them.
func printListings(out io.Writer) error {
	for _, l := range listings() {
		var names []string
		for _, k := range l.kinds {
			names = append(names, k.Name)
		}
		var b strings.Builder
		block(&b, 0, 12, l.name, strings.Join(names, ", "))
		if _, err := io.WriteString(out, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// printReference writes docs/reference.md.
func printReference(w io.Writer) error {
	var out strings.Builder
	out.WriteString("# What can be named\n\n`lawa-replay list` prints these lists, `--json` for programs. This page is made from them: `make docs`.\n")
	for _, l := range listings() {
		fmt.Fprintf(&out, "\n## %s\n\nFor %s.\n", l.title, l.where)
		for _, k := range l.kinds {
			fmt.Fprintf(&out, "\n### %s\n\n%s.\n", k.Name, capital(k.About))
			if len(k.Names) > 0 {
				fmt.Fprintf(&out, "\nNames: `%s`.\n", strings.Join(k.Names, "`, `"))
			}
			fmt.Fprintf(&out, "\nAs in `%s`.\n", strings.Join(k.Examples, "`, `"))
			if k.Source != "" {
				fmt.Fprintf(&out, "\nSource: %s.\n", k.Source)
			}
			if len(k.Options) == 0 {
				continue
			}
			out.WriteString("\n| option | default | |\n|---|---|---|\n")
			for _, o := range k.Options {
				fmt.Fprintf(&out, "| `%s` | %s | %s |\n", o.Name, o.Default, strings.ReplaceAll(o.About, "|", "\\|"))
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
