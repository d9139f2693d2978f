package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// verb is one of the program's commands.
type verb struct {
	name string
	// make is nil where the verb needs libtorch: then it stands in torchVerbs, of which the quick program has none.
	make func() *cobra.Command
}

// verbs lists all commands, of both programs, in the order of the help. Those that need no libtorch are also those for
// which quick.c goes over to the quick program.
func verbs() []verb {
	return []verb{
		{"demo", nil},
		{"recipe", nil},
		{"train", nil},
		{"import", newImport},
		{"tokenize", newTokenize},
		{"sweep", nil},
		{"plan", nil},
		{"run", nil},
		{"merge", newMerge},
		{"average", newAverage},
		{"plot", newPlot},
		{"figures", newFigures},
		{"table", newTableVerb},
		{"compare", newCompare},
		{"best", newBest},
		{"report", newReport},
		{"inspect", newInspect},
		{"verify", newVerify},
		{"schemes", newSchemes},
		{"list", nil},
	}
}

// commands makes the commands of this program. Of a verb that needs libtorch the quick program says so.
func commands() []*cobra.Command {
	var out []*cobra.Command
	for _, v := range verbs() {
		switch {
		case v.make != nil:
			out = append(out, v.make())
		case torchVerbs()[v.name] != nil:
			out = append(out, torchVerbs()[v.name]())
		default:
			out = append(out, &cobra.Command{Use: v.name, Hidden: true, DisableFlagParsing: true, Args: cobra.ArbitraryArgs,
				RunE: func(*cobra.Command, []string) error { return withoutTorch(v.name) }})
		}
	}
	return out
}

// withoutTorch is the error of the quick program for what it cannot do.
func withoutTorch(what string) error {
	return fmt.Errorf("this program is without libtorch, which %s needs: take the program lawa-replay beside it", what)
}
