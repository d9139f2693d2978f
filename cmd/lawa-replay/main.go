// Command lawa-replay trains once and replays averaging schemes against the stored trajectory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Version is the program's own.
const Version = "0.1.0"

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes one command line and says how it ended.
func run(ctx context.Context, args []string) int {
	root := newRoot(args)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(plain{os.Stderr}, "lawa-replay: %s\n", withFlags(err))
		if usage.command != "" {
			fmt.Fprintf(plain{os.Stderr}, "(%s --help says what it takes)\n", usage.command)
		}
		return exitUsage
	}
	fmt.Fprintf(plain{os.Stderr}, "lawa-replay: %s\n", withFlags(err))
	return exitFailed
}

// inFlag says in which flag's text an error is.
func inFlag(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flagOf(name), err)
}

// withFlags is an error with what may be done about it, by the flags of the command line.
func withFlags(err error) string { return hint.Text(err.Error(), hint.All(err), flagOf) }

// flagOf spells an option, perhaps with a value behind it, as on the command line.
func flagOf(option string) string { return "--" + option }

func newRoot(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "lawa-replay",
		Short: "Replay weight-averaging schemes against a stored training trajectory",
		Long: `lawa-replay answers what averaging the checkpoints of a run would have given.

A trainer saves the weights at the end of every epoch: the trajectory. Averages of
the latest k checkpoints (LAWA, arXiv 2209.14981) are then evaluated at any epoch
of it, without training again, and the figures are drawn. The checkpoints may be
those of any PyTorch program.`,
		Example: `  lawa-replay demo
  lawa-replay train --model resnet8:width=8,stem-stride=2 --data mnist --epochs 20 --out run
  lawa-replay import checkpoints/ --out run
  lawa-replay sweep run --k 1,2,4-8,10 --bn recompute --out sweep
  lawa-replay plot k-sensitivity sweep --out k.pdf`,
		Version:       Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{unknownVerb(cmd, args[0]), cmd.CommandPath()}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(plain{os.Stdout})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{unknownFlag(cmd, args, err), cmd.CommandPath()}
	})
	quiet := root.PersistentFlags().Bool("quiet", false, "show no progress")
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if *quiet {
			cmd.SetContext(context.WithValue(cmd.Context(), quietly{}, true))
		}
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(commands()...)
	for _, c := range root.Commands() {
		args := c.Args
		c.Args = func(cmd *cobra.Command, a []string) error {
			if len(a) > 0 && cmd.HasAvailableSubCommands() {
				return usageError{unknownVerb(cmd, a[0]), cmd.CommandPath()}
			}
			if err := args(cmd, a); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			return nil
		}
	}
	return root
}

// unknownVerb names the nearest of a command's verbs.
func unknownVerb(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			known = append(known, c.Name())
		}
	}
	return spec.Unknown("command", name, known)
}

// unknownFlag adds the nearest flag to the error of one that is not known. Where no verb took the flags it is the verb
// that is not known.
func unknownFlag(cmd *cobra.Command, args []string, err error) error {
	if !cmd.HasParent() && !strings.HasPrefix(args[0], "-") {
		return unknownVerb(cmd, args[0])
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near, ok := spec.Nearest(unknown.GetSpecifiedName(), known); ok {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

// usageError marks errors in the command line, as against those in the world.
type usageError struct {
	error
	command string
}

func (u usageError) Unwrap() error { return u.error }

// wrong marks err as one of usage.
func wrong(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return usageError{err, cmd.CommandPath()}
}
