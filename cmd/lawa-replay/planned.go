package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/sweep"
)

// planned is a sweep that was planned, as plan.json has it.
type planned struct {
	*sweep.Written
	dir     string // of the sweep, wherever this process goes
	cmd     *cobra.Command
	options sweepOptions
	runs    []string
}

// openPlan reads the plan of a sweep's folder, and goes to the folder in which it was made, so that names mean what
// they meant there.
func openPlan(dir string) (*planned, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	w, err := sweep.ReadPlan(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no %s: lawa-replay plan makes it", dir, sweep.PlanName)
	} else if err != nil {
		return nil, err
	}
	p := &planned{Written: w, dir: abs, cmd: &cobra.Command{Use: "plan"}}
	p.options.flags(p.cmd.Flags())
	if err := p.cmd.ParseFlags(w.Arguments); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, sweep.PlanName), err)
	}
	p.runs = p.cmd.Flags().Args()
	folder := filepath.FromSlash(w.Folder)
	if !filepath.IsAbs(folder) {
		// As the system goes there: the folder of the sweep may be reached by a link.
		real, err := filepath.EvalSymlinks(abs)
		if err != nil {
			return nil, err
		}
		folder = filepath.Join(real, folder)
	}
	if err := os.Chdir(folder); err != nil {
		return nil, fmt.Errorf("the plan was made in a folder that is not here: %w", err)
	}
	return p, nil
}

// failed says of an error whether it lies with what was planned, for which the command line is not to blame.
func (p *planned) failed(err error) error {
	var usage usageError
	if errors.As(err, &usage) {
		err = usage.error
	}
	if err != nil {
		return fmt.Errorf("%s: %w", relative(filepath.Join(p.dir, sweep.PlanName)), err)
	}
	return nil
}
