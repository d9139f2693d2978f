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
	from    string // where the user is
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
	if p.from, err = os.Getwd(); err != nil {
		return nil, err
	}
	p.options.flags(p.cmd.Flags())
	if err := p.cmd.ParseFlags(w.Arguments); err != nil {
		return nil, fmt.Errorf("%s: its arguments: %v", filepath.Join(dir, sweep.PlanName), err) // --help among them is no wish of the user
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

// consent is an error where the plan would run another command than its user expects.
func (p *planned) consent(worker string) error {
	switch planned := p.options.worker; {
	case planned == worker:
		return nil
	case planned == "":
		return errors.New("--worker: the plan evaluates by a network of this program, not by a command")
	case worker == "":
		return fmt.Errorf("the plan evaluates by a command, which it runs in %s: %q. Give --worker the same command if it may", p.folder(), planned)
	default:
		return fmt.Errorf("--worker: the plan's command is another, which it runs in %s: %q", p.folder(), planned)
	}
}

// folder is the one in which the plan was made, as the user sees it.
func (p *planned) folder() string {
	here, err := os.Getwd()
	if err != nil {
		return p.Folder
	}
	return relative(p.from, here)
}

// failed says of an error whether it lies with what was planned, for which the command line is not to blame.
func (p *planned) failed(err error) error {
	var usage usageError
	if errors.As(err, &usage) {
		err = usage.error
	}
	if err == nil {
		return nil
	}
	path, made := relative(p.from, filepath.Join(p.dir, sweep.PlanName)), ""
	if folder := p.folder(); folder != "." {
		made = fmt.Sprintf(" (made in %s)", folder)
	}
	return fmt.Errorf("%s%s: %w", path, made, err)
}
