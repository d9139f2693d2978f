//go:build quick

package main

import (
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/export"
)

// torchVerbs is empty here: see quick.c.
func torchVerbs() map[string]func() *cobra.Command { return nil }

func (o averageOptions) prepareRecompute(*cobra.Command, *export.Export, []string) (func(), error) {
	return nil, withoutTorch("--bn recompute")
}
