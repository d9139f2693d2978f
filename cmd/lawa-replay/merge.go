package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
)

func newMerge() *cobra.Command {
	var partial bool
	c := &cobra.Command{
		Use:   "merge SWEEP",
		Short: "Join the shards of a plan, and write the table",
		Long: `Put into SWEEP/store what the shards of SWEEP/plan.json evaluated, and write the table
SWEEP/results.parquet: the one that sweep writes on one machine, byte for byte. It needs
the runs, but neither network, data nor device.

Evaluations that are missing are counted by shard, and are an error, unless --partial
writes the table without them. The shards' folders stay; they are not needed any more.`,
		Example: `  lawa-replay merge sweep
  lawa-replay merge sweep --partial && lawa-replay plot k-sensitivity sweep --out so-far.png`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runMerge(cmd.Context(), args[0], partial) },
	}
	c.Flags().BoolVar(&partial, "partial", false, "write the table though evaluations are missing; its metadata says how many")
	return c
}

func runMerge(ctx context.Context, dir string, partial bool) error {
	planned, err := openPlan(dir)
	if err != nil {
		return err
	}
	runs, err := planned.options.trajectories(planned.runs)
	if err != nil {
		return planned.failed(err)
	}
	spec, err := planned.Spec(runs)
	if err != nil {
		return planned.failed(err)
	}
	into, err := sweep.OpenFolder(planned.dir, sayNote)
	if errors.Is(err, atomicfile.ErrLocked) {
		return fmt.Errorf("%w: wait for the other sweep", err)
	} else if err != nil {
		return err
	}
	defer into.Close()
	shards, err := sweep.ReadStores(planned.dir, planned.dir, sayNote)
	if err != nil {
		return err
	}
	defer shards.Close()
	p, err := planned.Plan(ctx, spec, append(sweep.Stores{into.Store}, shards...))
	if err != nil {
		return planned.failed(err)
	}
	for _, n := range p.Notes {
		sayNote(n)
	}
	joined, err := into.Join(p, shards)
	if err != nil {
		return err
	}
	missing, recorded := p.Missing(into.Store)
	if err := sayMissing(dir, planned.dir, p, missing, partial); err != nil {
		return err
	}
	table, err := tabulate(p, nil, planned.Backend(p.Numeric()), planned.Software, planned.dir, sweep.Stores{into.Store}, partial)
	if err != nil {
		return err
	}
	n := len(p.Cells) - len(missing)
	say("done: %d evaluations (%d of shards now, %d from the training log, %d already in the store); the table is %s", n, joined, recorded, n-joined-recorded, filepath.Join(dir, results.File))
	sayRuns(runs, table)
	return nil
}

// sayMissing says what is missing, and of which shards. It is an error unless partial.
func sayMissing(dir, abs string, p *sweep.Plan, missing []sweep.Cell, partial bool) error {
	if len(missing) == 0 {
		return nil
	}
	shards, err := sweep.Shards(abs)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d of %d evaluations are missing", len(missing), len(p.Cells))
	if len(shards) == 0 {
		text += fmt.Sprintf(": no shard was evaluated yet (lawa-replay run %s --shard I/N)", dir)
	} else {
		text += ", of the shards " + strings.Join(lacking(p, missing, usual(shards)), ", ")
	}
	if partial {
		say("note: %s", text)
		return nil
	}
	return fmt.Errorf("%s; --partial writes the table without them", text)
}

// usual is the number of shards of which most have been begun.
func usual(shards []sweep.Shard) int {
	begun, best := map[int]int{}, 0
	for _, s := range shards {
		if begun[s.N]++; begun[s.N] >= begun[best] {
			best = s.N
		}
	}
	return best
}

// lacking counts what is missing of each of n shards.
func lacking(p *sweep.Plan, missing []sweep.Cell, n int) []string {
	lack := map[string]bool{}
	for _, c := range missing {
		lack[c.Key] = true
	}
	var out []string
	for i := range n {
		s := sweep.Shard{I: i + 1, N: n}
		cells, k := p.Shard(s).Cells, 0
		for _, c := range cells {
			if lack[c.Key] {
				k++
			}
		}
		if k > 0 {
			out = append(out, fmt.Sprintf("%v (%d of %d)", s, k, len(cells)))
		}
	}
	return out
}
