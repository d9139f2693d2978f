//go:build !quick

package main

import "C" // quick.c

import "github.com/spf13/cobra"

// verbs are all of them.
func verbs() []*cobra.Command {
	return []*cobra.Command{newDemo(), newTrain(), newImport(), newSweep(), newPlan(), newRun(), newMerge(), newAverage(), newSchemes(), newPlot(), newTableVerb(), newInspect(), newVerify()}
}
