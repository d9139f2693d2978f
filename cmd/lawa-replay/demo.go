//go:build !quick

package main

import (
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/recipes"
)

// demoRecipe is what the demo runs.
const demoRecipe = "resnet8-mnist"

func newDemo() *cobra.Command {
	o := recipeOptions{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Train, sweep over k and draw the figures, in a minute or two",
		Long: `Train a ResNet-8 on 6,000 MNIST images for 20 epochs, evaluate averages of the latest
k = 1 to 16 checkpoints at every epoch, draw the figures and print what averaging would
have saved: the recipe ` + demoRecipe + ` (lawa-replay recipe show ` + demoRecipe + `).
Everything stays in the folder:

  run/         the trajectory
  sweep/       the evaluations and results.parquet
  figures/     those that the sweep has the data for, as PNG, PDF and SVG, with CSV
  report.html  answers, curves to play with, tables and figures as one page

A demo that was interrupted goes on where it stopped.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := recipes.Find(demoRecipe)
			if err != nil {
				return err
			}
			plan, err := o.plan(r)
			if err != nil {
				return wrong(cmd, err)
			}
			return o.run(cmd, r, plan)
		},
	}
	c.Flags().StringVar(&o.out, "out", "demo", "folder for everything")
	return c
}
