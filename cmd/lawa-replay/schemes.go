package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

func newSchemes() *cobra.Command {
	var json bool
	c := &cobra.Command{
		Use:   "schemes",
		Short: "List the averaging schemes, or explain one",
		Long: `List the averaging schemes with examples and their sources.

Any number may be a range: ema:decay=0.5..0.95/0.05 is ten schemes, lawa:k=1..16
sixteen. "schemes explain" shows the coefficients of one.`,
		Example: `  lawa-replay schemes
  lawa-replay schemes explain ema:decay=0.9 --at 90`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if json {
				return printJSON(cmd.OutOrStdout(), asJSON(schemeList().kinds))
			}
			return printKinds(cmd.OutOrStdout(), schemeList().kinds)
		},
	}
	c.Flags().BoolVar(&json, "json", false, "print JSON")
	c.AddCommand(newExplain())
	return c
}

type explainOptions struct {
	at, run, out string
	perEpoch     int64
	asJSON       bool
}

func newExplain() *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain SPEC --at EPOCH",
		Short: "Show the coefficients that a scheme gives the checkpoints",
		Long: `Show the coefficients that a scheme gives the checkpoints at an epoch, and what
they amount to:

  mean age          Σ c·age, in checkpoints: the endpoint has age 0
  effective count   1/Σ c²: independent noise falls to 1/√ of it
  half-life         how many of the newest checkpoints hold half of the weight
  nearest k         the k whose plain mean (lawa:k=…) is nearest in mean age and
                    effective count

The checkpoints are those of --run, or of epochs 1, 2, 3, … with --steps-per-epoch
steps each.`,
		Example: `  lawa-replay schemes explain ema:decay=0.9 --at 90
  lawa-replay schemes explain best:n=5,by=val/loss --at 20 --run run
  lawa-replay schemes explain decay:shape=1-sqrt,k=10 --at 90 --out coefficients.png`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runExplain(cmd, o, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.at, "at", "", "the epoch at which to average")
	f.StringVar(&o.run, "run", "", "a trajectory: its checkpoints, steps and metrics")
	f.Int64Var(&o.perEpoch, "steps-per-epoch", 1, "optimizer steps in an epoch, where no --run is given")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.StringVar(&o.out, "out", "", "draw the coefficients into this file: .png, .pdf or .svg, and .csv beside it")
	return c
}

// explanation is what explain says, as JSON too.
type explanation struct {
	Scheme       string  `json:"scheme"`
	Epoch        float64 `json:"epoch"`
	Coefficients []share `json:"coefficients"`
	averaging.Profile
}

// share is one checkpoint's part.
type share struct {
	Epoch       float64 `json:"epoch"`
	Age         int     `json:"age"` // in checkpoints
	Coefficient float64 `json:"coefficient"`
}

func runExplain(cmd *cobra.Command, o explainOptions, text string) error {
	if o.at == "" {
		return wrong(cmd, errors.New("--at is missing: the epoch at which to average"))
	}
	if o.out != "" {
		if err := plots.CheckPath(o.out); err != nil {
			return wrong(cmd, inFlag("out", err))
		}
	}
	scheme, err := averaging.Parse(text)
	if err != nil {
		return wrong(cmd, err)
	}
	if _, byMetric := scheme.(averaging.Best); byMetric && o.run == "" {
		return wrong(cmd, fmt.Errorf("%s goes by a training log: give --run", scheme.Spec()))
	}
	points, endpoint, err := o.points()
	if err != nil {
		return wrong(cmd, err)
	}
	plan, err := averaging.NewPlan(points, []averaging.Scheme{scheme}, []int{endpoint}, true)
	if err != nil {
		return wrong(cmd, err)
	}
	c := plan.Averages[0]
	e := explanation{Scheme: scheme.Spec(), Epoch: points[endpoint].Epoch, Profile: averaging.NewProfile(c, endpoint)}
	var epochs []float64
	for i, v := range c.Values() {
		e.Coefficients = append(e.Coefficients, share{points[c.Indices[i]].Epoch, endpoint - c.Indices[i], v})
		epochs = append(epochs, points[c.Indices[i]].Epoch)
	}
	if o.out != "" {
		if err := plots.SchemeCoefficients(scheme.Spec(), points[0].Epoch, e.Epoch, epochs, c.Values()).Save(o.out); err != nil {
			return err
		}
	}
	if o.asJSON {
		return printJSON(cmd.OutOrStdout(), e)
	}
	e.print(cmd.OutOrStdout())
	return nil
}

// points are the checkpoints to explain a scheme by, and which of them is the endpoint.
func (o explainOptions) points() ([]averaging.Point, int, error) {
	if o.run == "" {
		at, err := strconv.Atoi(o.at)
		if err != nil || at < 1 || at > 1_000_000 || o.perEpoch < 1 {
			return nil, 0, fmt.Errorf("--at %s, --steps-per-epoch %d: want whole numbers from 1 on, or a --run", o.at, o.perEpoch)
		}
		points := make([]averaging.Point, at)
		for i := range points {
			points[i] = averaging.Point{Epoch: float64(i + 1), Step: int64(i+1) * o.perEpoch}
		}
		return points, at - 1, nil
	}
	t, err := openRun([]string{o.run}, foreignOptions{})
	if err != nil {
		return nil, 0, err
	}
	endpoints, err := selectEpochs(t, o.at)
	if err == nil && len(endpoints) != 1 {
		err = fmt.Errorf("%s is more than one epoch", o.at)
	}
	if err != nil {
		return nil, 0, inFlag("at", err)
	}
	return averaging.Points(t), endpoints[0], nil
}

// print writes the table, the newest checkpoint first.
func (e explanation) print(out io.Writer) {
	w := newTable("epoch", "age", "coefficient", "with all newer")
	held := 0.0
	for _, s := range slices.Backward(e.Coefficients) {
		held += s.Coefficient
		w.AppendRow(table.Row{trajectory.EpochName(s.Epoch), s.Age, fmt.Sprintf("%.6g", s.Coefficient), fmt.Sprintf("%.4f", held)})
	}
	fmt.Fprintf(out, "%s at epoch %s\n\n%s\n\n", e.Scheme, trajectory.EpochName(e.Epoch), w.Render())
	fmt.Fprintf(out, "checkpoints      %d\nsum              %.15g\nmean age         %.4g\neffective count  %.4g\nhalf-life        %.4g\nnearest k        %d\n",
		len(e.Coefficients), e.Sum, e.MeanAge, e.EffectiveCount, e.HalfLife, e.NearestK)
}
