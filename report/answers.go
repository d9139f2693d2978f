package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// sentence is one answer. Its verdict is better, worse or open: whether the interval says so.
type sentence struct{ Text, Verdict string }

// answersOf are those of a panel.
type answersOf struct {
	Title     string
	Sentences []sentence
}

// signed is a value with its sign and unit.
func signed(m metric.Metric, v float64) string {
	return m.Signed(v) + unit(m)
}

// unit is that of differences.
func unit(m metric.Metric) string {
	if m.Unit == "%" {
		return " points"
	}
	if m.Unit != "" {
		return " " + m.Unit
	}
	return ""
}

func value(m metric.Metric, v float64) string {
	if m.Unit == "" {
		return m.Text(v)
	}
	return m.Text(v) + " " + m.Unit
}

// within is an interval in words, "" where it is not known.
func within(m metric.Metric, low, high float64, over string) string {
	if math.IsNaN(low) {
		return " (no interval is known)"
	}
	return fmt.Sprintf(" (95 %% interval %s to %s%s)", m.Signed(low), signed(m, high), over)
}

// verdict is by an interval of a difference.
func verdict(m metric.Metric, low, high float64) string {
	switch {
	case math.IsNaN(low) || low <= 0 && high >= 0:
		return "open"
	case (low > 0) == m.HigherBetter:
		return "better"
	}
	return "worse"
}

var verdicts = map[string]string{"better": "averaging helps", "worse": "averaging hurts", "open": "the two cannot be told apart"}

// length is one along an axis.
func length(a analysis.Axis, v float64) string {
	v = math.Round(v*1e6) / 1e6
	text := strconv.FormatFloat(v, 'g', 4, 64)
	switch a.Name {
	case "epoch":
		return analysis.Epochs(v)
	case "step":
		text += " steps"
	case "tokens":
		text += " tokens"
	case "device-hours":
		text += " device-hours"
	default:
		text += strings.TrimSuffix(strings.TrimPrefix(a.Label, "Training time ("), ")")
	}
	return text
}

// at is a place on an axis: epoch 14.
func at(a analysis.Axis, p analysis.Point) string {
	if a.Name == "epoch" {
		return "epoch " + trajectory.EpochName(p.Epoch)
	}
	return strings.ToLower(a.Label) + " " + strconv.FormatFloat(a.X(p), 'g', 5, 64)
}

// sentences answers of a panel; pick is nil where nothing could be chosen honestly.
func sentences(a *analysis.Answers, p analysis.AnswersOf, pick *analysis.PickOf, selected string) answersOf {
	m := a.Metric
	out := answersOf{Title: p.Title}
	say := func(verdict, format string, args ...any) {
		out.Sentences = append(out.Sentences, sentence{fmt.Sprintf(format, args...), verdict})
	}
	reference := "the checkpoints themselves"
	switch {
	case a.Against:
		reference = a.Reference
	case a.Reference != "":
		reference = "the checkpoints of " + a.Reference
	}
	if pick != nil {
		c, b := pick.Chosen, pick.Baseline
		switch g := pick.Gain; {
		case c.Label == "baseline":
			say("open", "Which is best? Chosen on %s: the checkpoint of epoch %s itself. It gives %s on the other half; no average was better where it was chosen.", selected, trajectory.EpochName(c.Epoch), value(m, c.Reported))
		case g == nil:
			say("open", "Which is best? Chosen on %s: %s at epoch %s, which gives %s on the other half; the best checkpoint itself gives %s.", selected, c.Label, trajectory.EpochName(c.Epoch), value(m, c.Reported), value(m, b.Reported))
		default:
			v := verdict(m, g.Examples.Low, g.Examples.High)
			say(v, "Which is best? Chosen on %s: %s at epoch %s. It gives %s on the other half, and the best checkpoint itself, that of epoch %s, %s: a difference of %s%s; %s. Where it was chosen it looked better by %s than it is.",
				selected, c.Label, trajectory.EpochName(c.Epoch), value(m, c.Reported), trajectory.EpochName(b.Epoch), value(m, b.Reported), signed(m, g.Examples.Value), within(m, g.Examples.Low, g.Examples.High, ""), verdicts[v], m.Text(math.Abs(c.Optimism(m)))+unit(m))
		}
	}
	counts := map[string]int{}
	var last *analysis.Paired
	for i := range p.Schemes {
		s := &p.Schemes[i]
		if s.At == nil {
			continue
		}
		in := s.At.Interval()
		counts[verdict(m, in.Low, in.High)]++
		last = s.At
	}
	if last != nil {
		over := "over the examples"
		if !math.IsNaN(last.Runs.Low) {
			over = "over the runs"
		}
		v := "open"
		if counts["better"] > 0 && counts["worse"] == 0 {
			v = "better"
		} else if counts["worse"] > 0 && counts["better"] == 0 {
			v = "worse"
		}
		if a.AgainstAt != nil {
			reference += ", of epoch " + trajectory.EpochName(*a.AgainstAt) + ","
		}
		say(v, "And at the end of training? Of %d schemes, %d are better at %s than %s, %d are worse, and %d cannot be told from them (95 %% intervals %s, each for itself).",
			counts["better"]+counts["worse"]+counts["open"], counts["better"], at(a.Axis, last.A), reference, counts["worse"], counts["open"], over)
	}
	target(a, p, reference, say)
	longest(a, p, say)
	steady(a, p, reference, say)
	hurt(p, say)
	return out
}

// target says when the level is reached.
func target(a *analysis.Answers, p analysis.AnswersOf, reference string, say func(verdict, format string, args ...any)) {
	m := a.Metric
	var first *analysis.Answer
	never := 0
	for i := range p.Schemes {
		s := &p.Schemes[i]
		switch {
		case s.Reached.First == nil:
			never++
		case first == nil || a.Axis.X(*s.Reached.First) < a.Axis.X(*first.Reached.First):
			first = s
		}
	}
	own := "never"
	if r := p.Reached.First; r != nil {
		own = at(a.Axis, *r)
	}
	text := fmt.Sprintf("When is %s reached (%s: %s)", value(m, p.Level), reference, own)
	if first == nil {
		say("open", "%s? By none of the %d schemes.", text, len(p.Schemes))
		return
	}
	stays := "and stays there"
	switch r := first.Reached; {
	case r.Stays == nil:
		stays = "but does not stay there"
	case r.Stays != r.First:
		stays = "and stays there from " + at(a.Axis, *r.Stays) + " on"
	}
	others := fmt.Sprintf("%d of %d schemes never reach it", never, len(p.Schemes))
	if never == 0 {
		others = fmt.Sprintf("all of the %d schemes reach it", len(p.Schemes))
	}
	say("open", "%s? By %s at %s first, %s; %s.", text, first.Label, at(a.Axis, *first.Reached.First), stays, others)
}

// longest says what is saved at most.
func longest(a *analysis.Answers, p analysis.AnswersOf, say func(verdict, format string, args ...any)) {
	var best *analysis.Answer
	for i := range p.Schemes {
		if s := &p.Schemes[i]; !math.IsNaN(s.Time.Longest.Value) && (best == nil || s.Time.Longest.Value > best.Time.Longest.Value) {
			best = s
		}
	}
	if best == nil {
		return
	}
	s := best.Time.Longest
	if s.Value <= 0 {
		say("open", "How much sooner? No scheme reaches any level sooner than what it is compared with.")
		return
	}
	interval := ", without an interval"
	v := "open"
	if !math.IsNaN(s.Low) {
		interval = fmt.Sprintf(" (95 %% interval %s to %s over the examples)", strconv.FormatFloat(math.Round(s.Low*1e4)/1e4, 'g', 4, 64), length(a.Axis, s.High))
		if s.Low > 0 {
			v = "better"
		}
	}
	null := ""
	if p.Null != nil && !math.IsNaN(p.Null.Value) {
		null = fmt.Sprintf(" Between two runs of this recipe, where nothing is averaged, the same arithmetic finds %s.", length(a.Axis, p.Null.Value))
	}
	say(v, "How much sooner? At most %s, by %s, at the level of %s%s. This is the largest over all levels and schemes, and so too large on average.%s",
		length(a.Axis, s.Value), best.Label, value(a.Metric, best.Time.Levels[best.Time.At].Value), interval, null)
}

// steady says how averaging steadies.
func steady(a *analysis.Answers, p analysis.AnswersOf, reference string, say func(verdict, format string, args ...any)) {
	if math.IsNaN(p.Noise) {
		return
	}
	var best *analysis.Answer
	for i := range p.Schemes {
		if s := &p.Schemes[i]; s.Endpoints == p.Endpoints && !math.IsNaN(s.Noise) && (best == nil || s.Noise < best.Noise) {
			best = s
		}
	}
	if best == nil {
		return
	}
	v := "open"
	if best.Noise < p.Noise {
		v = "better"
	}
	say(v, "How steady? Over the last %d endpoints %s vary by %s (standard deviation), the averages of %s by %s.", p.Endpoints, reference, m2(a.Metric, p.Noise), best.Label, m2(a.Metric, best.Noise))
}

func m2(m metric.Metric, v float64) string { return m.Text(v) + unit(m) }

// hurt names the losses as plainly as the gains.
func hurt(p analysis.AnswersOf, say func(verdict, format string, args ...any)) {
	var each []string
	for _, s := range p.Schemes {
		if s.Worse > 0 {
			each = append(each, fmt.Sprintf("%s at %d of %d", s.Label, s.Worse, s.Compared))
		}
	}
	if len(each) == 0 {
		say("better", "Where does averaging hurt? At no endpoint is an average worse than what it is compared with.")
		return
	}
	const most = 8
	if len(each) > most {
		each = append(each[:most], fmt.Sprintf("and %d more schemes", len(each)-most))
	}
	say("worse", "Where does averaging hurt? Endpoints at which an average is worse than what it is compared with, by however little: %s.", strings.Join(each, ", "))
}
