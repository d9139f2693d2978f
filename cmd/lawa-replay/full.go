//go:build !quick

package main

import "C" // quick.c

import "github.com/spf13/cobra"

// torchVerbs makes the commands that need libtorch.
func torchVerbs() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"demo":   newDemo,
		"recipe": newRecipe,
		"train":  newTrain,
		"sweep":  newSweep,
		"plan":   newPlan,
		"run":    newRun,
		"list":   newList,
	}
}
