//go:build !quick

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/recipes"
)

func newRecipe() *cobra.Command {
	c := &cobra.Command{
		Use:   "recipe",
		Short: "Train, sweep and draw a whole experiment: the paper's, small ones, your own",
		Long: `A recipe names an experiment: what is trained, which averages are evaluated and what is
drawn. It is a file of TOML whose tables are the verbs train, sweep and figures, and
whose keys are the names of their flags. Runs that differ in a few of them stand in
tables [[run]].

Recipes of this program:
` + recipeList(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newRecipeList(), newRecipeShow(), newRecipeRun())
	return c
}

// recipeList describes the recipes of the program.
func recipeList() string {
	var kinds []spec.Described
	for _, name := range recipes.Names() {
		r, err := recipes.Find(name)
		if err != nil {
			panic(err) // a test reads them all
		}
		kinds = append(kinds, spec.Described{Name: name, About: r.About})
	}
	return brief(kinds)
}

func newRecipeList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the recipes of this program", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), recipeList())
			return err
		},
	}
}

func newRecipeShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME|FILE.toml", Short: "Explain a recipe: its text, and the commands that it amounts to", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := recipes.Find(args[0])
			if err != nil {
				return wrong(cmd, err)
			}
			plan, err := recipeOptions{out: "DIR"}.plan(r)
			if err != nil {
				return wrong(cmd, err)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s\n\nIt amounts to:\n", strings.TrimSpace(r.Text))
			for _, step := range plan {
				fmt.Fprintf(out, "  %s\n", step)
			}
			return nil
		},
	}
}

// recipeOptions say where a recipe is run, on what, and what is changed of it.
type recipeOptions struct {
	out    string
	set    []string
	dryRun bool
	// What is of a machine, and of no recipe.
	files            dataOptions
	device, memory   string
	threads, workers int
}

func newRecipeRun() *cobra.Command {
	var o recipeOptions
	c := &cobra.Command{
		Use:   "run NAME|FILE.toml --out DIR",
		Short: "Do all of a recipe: train, sweep, draw",
		Long: `Train the runs of a recipe, evaluate its averages, and draw every figure that there is
the data for. In the folder are then

  run/ or a folder for each run   trajectories, of several seeds in seed-0, seed-1, …
  sweep/                          the evaluations and results.parquet
  figures/                        PNG, PDF and SVG, with CSV, and figures.txt
  report.html                     answers, curves, tables and figures as one page

The same command again does only what is missing: one that was interrupted goes on
where it stopped. A run that stands there and was trained with other settings is an
error, which names them.

--set changes a value: --set train.epochs=3, --set run.lookahead.lr=0.2, --set
sweep.k=1-4. --dry-run shows the commands that all of it amounts to.`,
		Example: `  lawa-replay recipe run resnet8-mnist --out demo
  lawa-replay recipe run resnet20-cifar10-jpeg --data-dir cifar10 --out small
  lawa-replay recipe run resnet50-imagenet --data-dir /data/imagenet --device cuda --out paper
  lawa-replay recipe run my.toml --set train.epochs=3 --out try`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runRecipe(cmd, o, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "folder for everything")
	f.StringArrayVar(&o.set, "set", nil, "change a value, as in train.epochs=3; may be repeated")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the commands, and do nothing")
	o.files.flags(f)
	f.StringVar(&o.device, "device", "", "cpu, cuda or cuda:N (default: the recipe's, else cpu)")
	f.IntVar(&o.threads, "threads", 0, "threads of the training step; another number rounds otherwise (default: one per core)")
	f.IntVar(&o.workers, "workers", 0, "workers of the sweep (default: one per core)")
	f.StringVar(&o.memory, "memory", "", memoryHelp)
	return c
}

func runRecipe(cmd *cobra.Command, o recipeOptions, name string) error {
	r, err := recipes.Find(name)
	if err == nil {
		err = r.Set(o.set)
	}
	if err == nil && o.out == "" {
		err = errors.New("--out is missing: the folder for everything")
	}
	var plan []step
	if err == nil {
		plan, err = o.plan(r)
	}
	if err != nil {
		return wrong(cmd, err)
	}
	if o.dryRun {
		for _, s := range plan {
			fmt.Fprintln(cmd.OutOrStdout(), s)
		}
		return nil
	}
	return o.run(cmd, r, plan)
}

// step is one of the commands that a recipe amounts to.
type step struct {
	args   []string
	record json.RawMessage // what a run is to know of the recipe
}

// String is the command, for a shell.
func (s step) String() string {
	var b strings.Builder
	b.WriteString("lawa-replay")
	for _, a := range s.args {
		b.WriteString(" " + quoted(a))
	}
	return b.String()
}

// machine are the flags of a verb that say where it runs, of those that were given.
func (o recipeOptions) machine(known *pflag.FlagSet) []string {
	var out []string
	add := func(flag, value string) {
		if value != "" && value != "0" && known.Lookup(flag) != nil {
			out = append(out, flagOf(flag), value)
		}
	}
	add("data-dir", o.files.dir)
	add("data-cache", o.files.cache)
	add("device", o.device)
	add("threads", fmt.Sprint(o.threads))
	add("workers", fmt.Sprint(o.workers))
	add("memory", o.memory)
	if o.files.skipBroken && known.Lookup("skip-broken") != nil {
		out = append(out, flagOf("skip-broken"))
	}
	return out
}

// plan makes the commands of a recipe, and checks what can be before anything runs.
func (o recipeOptions) plan(r *recipes.Recipe) ([]step, error) {
	runs := r.Runs
	if len(runs) == 0 {
		runs = []recipes.Run{{}}
	}
	var out []step
	var trajectories []string
	for _, run := range runs {
		s, folders, err := o.training(r, run)
		if err != nil {
			if run.Name != "" {
				err = fmt.Errorf("run %s: %w", run.Name, err)
			}
			return nil, err
		}
		out = append(out, s)
		trajectories = append(trajectories, folders...)
	}
	sweepDir := filepath.Join(o.out, "sweep")
	var s sweepOptions
	flags := pflag.NewFlagSet(recipes.Sweep, pflag.ContinueOnError)
	s.flags(flags)
	args, err := arguments(r, recipes.Sweep, r.Settings(recipes.Sweep), flags)
	if err == nil {
		_, _, err = s.read()
	}
	if err != nil {
		return nil, err
	}
	out = append(out, step{args: slices.Concat([]string{recipes.Sweep}, trajectories, args, o.machine(flags), []string{"--out", sweepDir})})
	if args, err = arguments(r, recipes.Figures, r.Settings(recipes.Figures), newFigures().Flags()); err != nil {
		return nil, err
	}
	return append(out, step{args: slices.Concat([]string{recipes.Figures, sweepDir}, args, []string{"--out", filepath.Join(o.out, "figures")})},
		step{args: []string{"report", sweepDir, "--out", filepath.Join(o.out, "report.html")}}, step{args: []string{"table", sweepDir}}), nil
}

// training makes the command that trains one of a recipe's runs, and the folders of its trajectories.
func (o recipeOptions) training(r *recipes.Recipe, run recipes.Run) (step, []string, error) {
	var t trainOptions
	flags := pflag.NewFlagSet(recipes.Train, pflag.ContinueOnError)
	t.flags(flags)
	args, err := arguments(r, recipes.Train, r.Of(run), flags)
	if err == nil {
		err = t.complete(flags)
	}
	if err == nil {
		err = t.config.Check()
	}
	if err != nil {
		return step{}, nil, err
	}
	t.out = filepath.Join(o.out, cmp.Or(run.Name, "run"))
	each, err := t.each(flags)
	if err != nil {
		return step{}, nil, err
	}
	var folders []string
	for _, one := range each {
		folders = append(folders, one.out)
	}
	record, err := json.Marshal(recipeRecord{r.Name, r.Text, o.set, run.Name})
	return step{slices.Concat([]string{recipes.Train}, args, o.machine(flags), []string{"--out", t.out}), record}, folders, err
}

// recipeRecord is what a trajectory keeps of the recipe that it was made by.
type recipeRecord struct {
	Name string   `json:"name"`
	Text string   `json:"text"`
	Set  []string `json:"set,omitempty"`
	Run  string   `json:"run,omitempty"`
}

// notInRecipes are flags of verbs that are for whoever runs a recipe to say, or for nobody.
var notInRecipes = []string{"out", "resume", "help", "quiet"}

// arguments are a table's settings as flags of its verb, each of which is set.
func arguments(r *recipes.Recipe, table string, settings []recipes.Setting, flags *pflag.FlagSet) ([]string, error) {
	var known, out []string
	flags.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(notInRecipes, f.Name) {
			known = append(known, f.Name)
		}
	})
	for _, s := range settings {
		where := fmt.Sprintf("--set %s.%s", table, s.Key)
		if s.Line > 0 {
			where = fmt.Sprintf("%s:%d: [%s]", cmp.Or(r.File, r.Name+recipes.Extension), s.Line, table)
		}
		if !slices.Contains(known, s.Key) {
			return nil, fmt.Errorf("%s: %w", where, spec.Unknown("flag of "+table, s.Key, known))
		}
		values := s.Values
		if flags.Lookup(s.Key).Value.Type() != "stringArray" {
			values = []string{strings.Join(values, ",")}
		}
		for _, v := range values {
			if err := flags.Set(s.Key, v); err != nil {
				return nil, fmt.Errorf("%s: %s = %s: %w", where, s.Key, v, errors.Unwrap(err))
			}
		}
		if f := flags.Lookup(s.Key); f.Value.Type() == "bool" {
			out = append(out, flagOf(s.Key)+map[bool]string{false: "=false"}[f.Value.String() == "true"])
			continue
		}
		for _, v := range values {
			out = append(out, flagOf(s.Key), v)
		}
	}
	return out, nil
}

// recordKey is where a context has the recipe that a run is of.
type recordKey struct{}

// recordOf is what a run is to record of its recipe; nil where it is of none.
func recordOf(ctx context.Context) json.RawMessage {
	record, _ := ctx.Value(recordKey{}).(json.RawMessage)
	return record
}

// run does all that a recipe amounts to.
func (o recipeOptions) run(cmd *cobra.Command, r *recipes.Recipe, plan []step) error {
	began := time.Now()
	for i, s := range plan {
		if i == len(plan)-1 { // the table
			say("all of %s is in %s, after %s\n", r.Name, o.out, spent(time.Since(began)))
		} else {
			say("%s, %d of %d: %s", r.Name, i+1, len(plan)-1, s.args[0])
		}
		ctx := cmd.Context()
		if s.record != nil {
			ctx = context.WithValue(ctx, recordKey{}, s.record)
		}
		root := newRoot(s.args)
		root.SetOut(cmd.OutOrStdout())
		root.SetArgs(s.args)
		if err := root.ExecuteContext(ctx); err != nil {
			return fmt.Errorf("recipe %s: %w", r.Name, err)
		}
	}
	return nil
}

// spent is a time, for people.
func spent(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
