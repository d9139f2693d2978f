package analysis

import (
	"fmt"
	"math"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

// Axis is what a figure's x axis counts.
type Axis struct {
	Name   string // as a command line says it
	Label  string // with its unit
	needs  string // what a run must record
	x      func(Point) float64
	factor float64
}

// Placed is an axis of the same name and label on which points stand elsewhere.
func (a Axis) Placed(x func(Point) float64) Axis {
	a.x, a.factor = x, 1
	return a
}

// Axes are all of them, the usual one first.
func Axes() []Axis {
	return []Axis{
		{"epoch", "Epoch", "", func(p Point) float64 { return p.Epoch }, 1},
		{"step", "Step", "steps", func(p Point) float64 { return p.Step }, 1},
		{"tokens", "Tokens", "the tokens trained on", func(p Point) float64 { return p.Tokens }, 1},
		{"seconds", "Training time (s)", "the time spent training", func(p Point) float64 { return p.Seconds }, 1},
		{"device-hours", "Device-hours of training", "the time spent training and the number of devices", func(p Point) float64 { return p.DeviceHours }, 1},
	}
}

// AxisNames lists their names.
func AxisNames() []string {
	var out []string
	for _, a := range Axes() {
		out = append(out, a.Name)
	}
	return out
}

// AxisOf finds the axis of a name, "" being the usual one, for these curves. A run of which it is not known is an
// error that names it.
func AxisOf(name string, curves []*Curve) (Axis, error) {
	for _, a := range Axes() {
		if name == a.Name || name == "" {
			return a.fit(curves)
		}
	}
	return Axis{}, spec.Unknown("axis", name, AxisNames())
}

// X is where a point stands.
func (a Axis) X(p Point) float64 { return a.x(p) * a.factor }

// fit checks that all curves have the axis, and gives it the unit that suits its numbers.
func (a Axis) fit(curves []*Curve) (Axis, error) {
	last := 0.0
	for _, c := range curves {
		for _, p := range c.Points {
			x := a.x(p)
			if math.IsNaN(x) {
				err := fmt.Errorf("x axis %s: %s not known of every checkpoint of %s (imported runs take them from names, files and the training log)",
					a.Name, map[bool]string{true: a.needs + " are", false: a.needs + " is"}[a.Name == "step" || a.Name == "tokens"], strings.Join(results.RunNames(c.Group.Runs), ", "))
				return a, hint.With(err, "x", "counts something else")
			}
			last = max(last, x)
		}
	}
	switch {
	case a.Name == "step" && last >= 1e5:
		a.Label, a.factor = "Step (thousands)", 1e-3
	case a.Name == "seconds" && last >= 100*60:
		a.Label, a.factor = "Training time (h)", 1.0/3600
	case a.Name == "seconds" && last >= 100:
		a.Label, a.factor = "Training time (min)", 1.0/60
	}
	return a, nil
}
