package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/spf13/cobra"
)

func newVerify() *cobra.Command {
	var allowNonFinite bool
	var o foreignOptions
	c := &cobra.Command{
		Use:   "verify RUN...",
		Short: "Re-read every byte of a trajectory and compare it with what was recorded",
		Long: `Re-read every checkpoint: its size and SHA-256 must be the recorded ones, its
tensors must have the same names, shapes and types as the others', and their
values must be finite. Of a folder of other programs' checkpoints, the checksums in
the files are compared instead of digests. Every fault is printed; the exit code is 1 if there is one.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return wrong(cmd, err)
			}
			return runVerify(cmd.Context(), args, allowNonFinite, o)
		},
	}
	c.Flags().BoolVar(&allowNonFinite, "allow-nonfinite", false, "let NaN and infinite weights pass")
	o.flags(c.Flags())
	return c
}

func runVerify(ctx context.Context, run []string, allowNonFinite bool, o foreignOptions) error {
	t, err := openOne(run, o)
	if err != nil {
		return err
	}
	t.Thorough()
	bar := newProgress(ctx, "verify", len(t.Checkpoints))
	var faults []error
	var bytes int64
	for i, c := range t.Checkpoints {
		if err := ctx.Err(); err != nil {
			bar.close()
			return err
		}
		var w *checkpoint.Mapped
		if err = t.Seal(ctx, []int{i}, allowNonFinite, nil); err == nil {
			w, err = t.Map(i, allowNonFinite)
		}
		if err != nil {
			faults = append(faults, err)
		} else {
			w.Close()
		}
		bytes += c.Bytes
		bar.set(i + 1)
	}
	bar.close()
	if len(faults) > 0 {
		return fmt.Errorf("%d of %d checkpoints are not as recorded:\n%w", len(faults), len(t.Checkpoints), errors.Join(faults...))
	}
	say("%s: %d checkpoints, %d bytes, all as recorded", relative("", t.Dir), len(t.Checkpoints), bytes)
	return nil
}
