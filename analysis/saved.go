package analysis

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Difference is that of a scheme's point and one of the baseline, with its standard error: over the runs'
// differences where there are several runs, else over examples, as if the two had been evaluated on different ones
// (they are the same, so that it is rather too large). It is NaN where nothing is known of it.
type Difference struct{ Value, StdErr float64 }

// Minus compares a point with one of the baseline of the same runs.
func (p Point) Minus(baseline Point) Difference {
	d := Difference{p.Value - baseline.Value, math.Hypot(p.StdErr, baseline.StdErr)}
	if n := len(p.Values); n > 1 {
		each := make([]float64, n)
		for i := range each {
			each[i] = p.Values[i] - baseline.Values[i]
		}
		d.StdErr = sd(each) / math.Sqrt(float64(n))
	}
	return d
}

// Less is the difference from a point of the same runs as a point of its own, run by run.
func (p Point) Less(b Point) Point {
	out := p
	out.Value, out.Low, out.High, out.SD, out.Values = p.Value-b.Value, math.Inf(1), math.Inf(-1), math.NaN(), nil
	for i := range p.Values {
		d := p.Values[i] - b.Values[i]
		out.Values = append(out.Values, d)
		out.Low, out.High = min(out.Low, d), max(out.High, d)
	}
	if len(out.Values) > 1 {
		out.SD = sd(out.Values)
	}
	out.StdErr = p.Minus(b).StdErr
	return out
}

// Small says that the difference is below its standard error.
func (d Difference) Small() bool { return math.Abs(d.Value) < d.StdErr }

// Saving is time saved: the scheme at epoch From.Epoch is as good as the baseline becomes only at To.Epoch.
type Saving struct {
	From Point // of the scheme
	To   Point // of the baseline: the first that is at least as good
}

// Epochs saved.
func (s Saving) Epochs() float64 { return s.To.Epoch - s.From.Epoch }

// Seconds of training saved, NaN where they are not known.
func (s Saving) Seconds() float64 { return s.To.Seconds - s.From.Seconds }

// DeviceHours of training saved, NaN where they are not known.
func (s Saving) DeviceHours() float64 { return s.To.DeviceHours - s.From.DeviceHours }

// Saved finds the longest time that the scheme saves against the baseline. Points that the baseline never
// matches have no such number and are counted in beyond.
func Saved(baseline, scheme *Curve, m metric.Metric) (best Saving, found bool, beyond int) {
	for _, p := range scheme.Points {
		if math.IsNaN(p.Value) {
			continue
		}
		at := slices.IndexFunc(baseline.Points, func(b Point) bool { return !m.Better(p.Value, b.Value) && !math.IsNaN(b.Value) })
		if at < 0 {
			beyond++
			continue
		}
		s := Saving{p, baseline.Points[at]}
		if s.Epochs() > 0 && (!found || s.Epochs() > best.Epochs()) {
			best, found = s, true
		}
	}
	return best, found, beyond
}

// Loss is an epoch at which a scheme is worse than the baseline.
type Loss struct {
	Epoch float64
	Difference
}

// Hurt lists the epochs at which the scheme is worse than the baseline, and the largest loss among them.
func Hurt(baseline, scheme *Curve, m metric.Metric) (losses []Loss, worst Loss) {
	for _, p := range scheme.Points {
		if b, ok := baseline.At(p.Epoch); ok && m.Better(b.Value, p.Value) {
			l := Loss{p.Epoch, p.Minus(b)}
			losses = append(losses, l)
			if math.Abs(l.Value) > math.Abs(worst.Value) {
				worst = l
			}
		}
	}
	return losses, worst
}

// Duration writes seconds in the unit that suits them.
func Duration(seconds float64) string {
	switch {
	case seconds < 100:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%.1f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}

// Epochs writes a number of epochs, without what binary fractions leave behind: 0.6 epochs.
func Epochs(n float64) string {
	text := strconv.FormatFloat(n, 'g', 4, 64)
	if text == "1" {
		return "1 epoch"
	}
	return text + " epochs"
}

// Sooner says what a saving is: the epochs, and as much of the time and the devices as is known.
func (s Saving) Sooner() string {
	text := Epochs(s.Epochs())
	if cost := s.Cost(); cost != "" {
		text += ", " + cost
	}
	return text + " sooner"
}

// Cost is the training time saved, with its device-hours where the devices are known and several; "" where the time
// is not known.
func (s Saving) Cost() string {
	seconds, hours := s.Seconds(), s.DeviceHours()
	if math.IsNaN(seconds) {
		return ""
	}
	text := Duration(seconds)
	switch {
	case math.IsNaN(hours):
	case math.Abs(hours*3600-seconds) < 1e-6*math.Abs(seconds):
		text += " on 1 device"
	default:
		text += fmt.Sprintf(", %s device-hours", strconv.FormatFloat(hours, 'g', 3, 64))
	}
	return text
}
