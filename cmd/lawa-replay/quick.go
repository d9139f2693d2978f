//go:build quick

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/export"
)

// verbs are those that need no libtorch: see quick.c.
func verbs() []*cobra.Command {
	return []*cobra.Command{newImport(), newMerge(), newAverage(), newSchemes(), newPlot(), newTableVerb(), newInspect(), newVerify()}
}

func (o averageOptions) prepareRenewal(*cobra.Command, *export.Export, []string) (func(), error) {
	return nil, errors.New("this build has no libtorch, which --bn recompute needs: take the program lawa-replay beside it")
}
