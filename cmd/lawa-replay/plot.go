package main

import "github.com/spf13/cobra"

func newPlot() *cobra.Command { return &cobra.Command{Use: "plot", Args: cobra.NoArgs} }
