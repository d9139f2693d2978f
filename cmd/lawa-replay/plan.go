//go:build !quick

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

func newPlan() *cobra.Command {
	var o sweepOptions
	var out string
	var shards int
	var asJSON bool
	var asked []string
	c := &cobra.Command{
		Use:   "plan RUN... --k 1,2,4-8 --out SWEEP",
		Short: "Write down a sweep, to evaluate it in shards on many machines",
		Long: `Write down in SWEEP/plan.json what sweep would evaluate with the same flags, and say
what it comprises. Each shard of it is then evaluated by a process of its own, on any
machine that sees the same folders, and merge makes the table:

  lawa-replay plan run --k 1-16 --out sweep
  lawa-replay run sweep --shard 1/8      # … 8/8, in any order, at the same time or not
  lawa-replay merge sweep

The table is the one that sweep writes. The checkpoints, the network and the data must
stay what they are: a digest of every evaluation's inputs is in the plan, and another
plan is not taken for it. The device may be another; all shards need the same kind.`,
		Example: `  lawa-replay plan run --k 1,2,4-8 --out sweep --shards 8
  lawa-replay plan run1 run2 run3 --k 1-16 --bn copy,recompute --device cuda:0 --out sweep`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPlan(cmd.Context(), cmd, o, append(append(asked, "--"), args...), args, out, shards, asJSON)
		},
	}
	o.flags(c.Flags())
	record(c.Flags(), &asked)
	c.Flags().StringVar(&out, "out", "", "folder of the sweep")
	c.Flags().IntVar(&shards, "shards", 0, "say what each of so many shards would evaluate")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// record notes how flags are set, as on a command line.
func record(f *pflag.FlagSet, into *[]string) {
	f.VisitAll(func(one *pflag.Flag) {
		if one.DefValue == "[]" { // which the help leaves out of a list alone
			one.DefValue = ""
		}
		one.Value = recorded{one.Value, func(text string) { *into = append(*into, "--"+one.Name+"="+text) }}
	})
}

type recorded struct {
	pflag.Value
	note func(text string)
}

// Set implements pflag.Value.
func (r recorded) Set(text string) error {
	r.note(text)
	return r.Value.Set(text)
}

func runPlan(ctx context.Context, cmd *cobra.Command, o sweepOptions, arguments, runs []string, dir string, shards int, asJSON bool) error {
	if dir == "" {
		return wrong(cmd, errors.New("--out is missing: the folder of the sweep"))
	}
	if cmd.Flags().Changed("shards") {
		if _, err := sweep.ParseShard(fmt.Sprintf("1/%d", shards)); err != nil {
			return wrong(cmd, fmt.Errorf("--shards takes a number from 1 to %d", sweep.MaxShards))
		}
	}
	device := o.device
	there, err := o.elsewhere(cmd)
	if err != nil {
		return err
	}
	j, err := o.ask(ctx, cmd, runs)
	if err != nil {
		return err
	}
	defer j.close()
	p, err := j.plan(ctx)
	if err != nil {
		return asked(cmd, err)
	}
	if err := claim(dir); err != nil {
		return err
	}
	if old, err := sweep.ReadPlan(dir); err == nil && old.Same(p, j.backend) != nil {
		say("note: another plan was here; what was evaluated for it is kept, and used where this one needs it")
	}
	if err := p.Write(dir, software(), arguments, j.backend); err != nil {
		return err
	}
	known := func(*sweep.Plan) (string, error) { return "not counted", nil }
	if !there {
		say("note: %s is not here: what is known already of its evaluations is not counted", device)
	} else {
		stores, err := sweep.ReadStores(dir, "", sayNote)
		if err != nil {
			return err
		}
		defer stores.Close()
		known = func(p *sweep.Plan) (string, error) {
			missing, _ := p.Missing(stores...)
			return fmt.Sprint(len(p.Cells) - len(missing)), nil
		}
	}
	if asJSON {
		v, err := planJSON(p, shards, known)
		if err != nil {
			return err
		}
		if err := printJSON(cmd.OutOrStdout(), v); err != nil {
			return err
		}
	} else if err := printPlan(cmd.OutOrStdout(), p, shards, known); err != nil {
		return err
	}
	consent := ""
	if o.worker != "" {
		consent = ", and --worker as here"
	}
	say("the plan is %s; evaluate it with: lawa-replay run %s --shard I/N%s", filepath.Join(dir, sweep.PlanName), dir, consent)
	return nil
}

// elsewhere says whether the device that was asked for is here. If it is not, a network of this program is planned without
// it: only the arithmetic depends on it, which a plan leaves open. A worker is told of it all the same.
func (o *sweepOptions) elsewhere(cmd *cobra.Command) (here bool, err error) {
	device, err := torch.ParseDevice(o.device)
	if err != nil {
		return false, wrong(cmd, err)
	}
	if err := o.checkAll(); err != nil {
		return false, wrong(cmd, err)
	}
	if here = device == torch.CPU || device.Kind() != "cuda"; !here && o.worker == "" {
		o.device, o.precision = torch.CPU.String(), torch.Float32.String()
	}
	return here, nil
}

// planJSON is printPlan for programs.
func planJSON(p *sweep.Plan, shards int, known func(*sweep.Plan) (string, error)) (any, error) {
	type part struct {
		Shard       string       `json:"shard"` // I/N, or all
		Evaluations int          `json:"evaluations"`
		Known       *int         `json:"known"` // of them; null where that cannot be said here
		Averages    int          `json:"averages"`
		Spans       []sweep.Span `json:"spans"`
	}
	var out []part
	row := func(name string, p *sweep.Plan) error {
		n, err := known(p)
		one := part{name, len(p.Cells), nil, p.Averages(), p.Spans()}
		if v, bad := strconv.Atoi(n); bad == nil {
			one.Known = &v
		}
		out = append(out, one)
		return err
	}
	for i := range shards {
		s := sweep.Shard{I: i + 1, N: shards}
		if err := row(s.String(), p.Shard(s)); err != nil {
			return nil, err
		}
	}
	return out, row("all", p)
}

// printPlan says what a plan comprises, and each of its shards.
func printPlan(out io.Writer, p *sweep.Plan, shards int, known func(*sweep.Plan) (string, error)) error {
	w := newTable("shard", "evaluations", "known", "averages", "at epochs")
	row := func(name string, p *sweep.Plan) error {
		n, err := known(p)
		if err != nil {
			return err
		}
		var spans []string
		for _, s := range p.Spans() {
			text := trajectory.EpochName(s.First)
			if s.Last != s.First {
				text += "–" + trajectory.EpochName(s.Last)
			}
			spans = append(spans, s.Run+" "+text)
		}
		w.AppendRow(table.Row{name, len(p.Cells), n, p.Averages(), strings.Join(spans, ", ")})
		return nil
	}
	for i := range shards {
		s := sweep.Shard{I: i + 1, N: shards}
		if err := row(s.String(), p.Shard(s)); err != nil {
			return err
		}
	}
	if err := row("all", p); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, w.Render())
	return err
}
