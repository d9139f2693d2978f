package importer

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lawa-replay/trajectory"
	"lawa-replay/trajectory/foreign"
)

// name is what a checkpoint's name says. NaN says nothing.
type name struct {
	epoch, step float64
	skip        bool
	lightning   bool // epoch=3-step=400, which counts epochs from 0
	bare        bool // a number of which the name does not say what it counts
}

// nothing is what a name says that says nothing.
var nothing = name{epoch: math.NaN(), step: math.NaN()}

// none says whether it has no number.
func (n name) none() bool { return math.IsNaN(n.epoch) && math.IsNaN(n.step) }

func (n name) String() string {
	var parts []string
	if !math.IsNaN(n.epoch) {
		what := "epoch "
		if n.bare {
			what = "number "
		}
		parts = append(parts, what+trajectory.EpochName(n.epoch))
	}
	if !math.IsNaN(n.step) {
		parts = append(parts, "step "+strconv.FormatFloat(n.step, 'f', -1, 64))
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

func inside(info foreign.Info) string {
	n := nothing
	if info.Epoch != nil {
		n.epoch = *info.Epoch
	}
	if info.Step != nil {
		n.step = *info.Step
	}
	return n.String()
}

// What names say, best first. Letters before the word would make another word of it.
var (
	epochWord    = regexp.MustCompile(`(?i)(?:^|[^a-z])(?:epochs?|ep)[=_-]?(\d+(?:\.\d+)?)`)
	stepWord     = regexp.MustCompile(`(?i)(?:^|[^a-z])(?:global[_-]?steps?|steps?|iters?|iterations?|updates?)[=_-]?(\d+)`)
	lightning    = regexp.MustCompile(`epoch=\d+-step=\d+`)
	fairseqBoth  = regexp.MustCompile(`^checkpoint_(\d+)_(\d+)\.pt$`)
	fairseqEpoch = regexp.MustCompile(`^checkpoint(\d+)\.pt$`)
	trainerStep  = regexp.MustCompile(`^checkpoint-(\d+)$`)
	numberOf     = regexp.MustCompile(`(\d+)[_-]of[_-]\d+`)
	lastNumber   = regexp.MustCompile(`.*?(\d+)(?:[_.-][^\d]*)?$`)
	best         = regexp.MustCompile(`(?i)best`)
)

func parse(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// names reads what all names say. Those without a number are skipped if others have one.
func (o Options) names(files []string) ([]name, error) {
	out := make([]name, len(files))
	var pattern *regexp.Regexp
	if o.Pattern != "" {
		var err error
		if pattern, err = compile(o.Pattern); err != nil {
			return nil, err
		}
	}
	numbered := false
	for i, path := range files {
		base := filepath.Base(path)
		if pattern != nil {
			out[i] = byPattern(pattern, path)
		} else {
			out[i] = understandName(base)
			if n := out[i]; n.none() || n.bare {
				// epoch_12/model.pt: the folder says it.
				if m := understandName(filepath.Base(filepath.Dir(path))); !m.bare && !m.none() {
					out[i] = m
				}
			}
		}
		numbered = numbered || !out[i].none()
	}
	for i := range out {
		out[i].skip = numbered && out[i].none()
	}
	if pattern != nil && !numbered {
		return nil, fmt.Errorf("--pattern %s matches none of the names, such as %s", o.Pattern, filepath.Base(files[0]))
	}
	return out, nil
}

// compile makes a regular expression of a pattern with {epoch}, {step} and *.
func compile(pattern string) (*regexp.Regexp, error) {
	if !strings.Contains(pattern, "{epoch}") && !strings.Contains(pattern, "{step}") {
		return nil, fmt.Errorf("--pattern %s: want {epoch} or {step} where the number stands, as in run_{epoch}.pt; * stands for anything", pattern)
	}
	text := regexp.QuoteMeta(pattern)
	text = strings.NewReplacer(`\{epoch\}`, `(?P<epoch>\d+(?:\.\d+)?)`, `\{step\}`, `(?P<step>\d+)`, `\*`, `.*`).Replace(text)
	re, err := regexp.Compile("^" + text + "$")
	if err != nil {
		return nil, fmt.Errorf("--pattern %s: {epoch} and {step} may stand in it once each", pattern)
	}
	return re, nil
}

// byPattern matches the last elements of a path, as many as the pattern has.
func byPattern(re *regexp.Regexp, path string) name {
	n := nothing
	elements := strings.Split(filepath.ToSlash(path), "/")
	k := min(len(elements), strings.Count(re.String(), "/")+1)
	m := re.FindStringSubmatch(strings.Join(elements[len(elements)-k:], "/"))
	if m == nil {
		return n
	}
	for i, group := range re.SubexpNames() {
		switch group {
		case "epoch":
			n.epoch = parse(m[i])
		case "step":
			n.step = parse(m[i])
		}
	}
	return n
}

// understandName reads one name by the usual ways of naming checkpoints.
func understandName(base string) name {
	n := nothing
	if m := fairseqBoth.FindStringSubmatch(base); m != nil {
		return name{epoch: parse(m[1]), step: parse(m[2])}
	}
	if m := fairseqEpoch.FindStringSubmatch(base); m != nil {
		n.epoch = parse(m[1])
		return n
	}
	if m := trainerStep.FindStringSubmatch(base); m != nil {
		n.step = parse(m[1])
		return n
	}
	if m := epochWord.FindStringSubmatch(base); m != nil {
		n.epoch = parse(m[1])
	}
	if m := stepWord.FindStringSubmatch(base); m != nil {
		n.step = parse(m[1])
	}
	n.lightning = lightning.MatchString(base)
	if !n.none() {
		return n
	}
	for filepath.Ext(base) != "" && isFile(base) { // .pth.tar
		base = strings.TrimSuffix(base, filepath.Ext(base))
	}
	m := numberOf.FindStringSubmatch(base)
	if m == nil {
		m = lastNumber.FindStringSubmatch(base)
	}
	if m != nil && !best.MatchString(base) { // best_87.pt: a score
		n.epoch, n.bare = parse(m[1]), true
	}
	return n
}

// numbers are those that a checkpoint gets.
type numbers struct {
	epoch float64
	step  int64
}

// number decides where epochs and steps come from, for all checkpoints alike.
func (o Options) number(all []opened, u *Understood) ([]numbers, error) {
	if o.Numbers != "" && o.Numbers != "name" && o.Numbers != "inside" {
		return nil, fmt.Errorf("--numbers %s: want name or inside", o.Numbers)
	}
	names, insides := o.Numbers != "inside", o.Numbers != "name"
	known := func(f func(opened) float64) bool {
		return !slices.ContainsFunc(all, func(a opened) bool { return math.IsNaN(f(a)) })
	}
	every := func(f func(opened) float64) bool { // known, and different
		seen := map[float64]bool{}
		for _, a := range all {
			seen[f(a)] = true
		}
		return known(f) && len(seen) == len(all)
	}
	of := func(p *float64) float64 {
		if p == nil {
			return math.NaN()
		}
		return *p
	}
	nameEpoch := func(a opened) float64 {
		if a.name.bare {
			return math.NaN()
		}
		return a.name.epoch
	}
	nameBare := func(a opened) float64 {
		if !a.name.bare {
			return math.NaN()
		}
		return a.name.epoch
	}
	nameStep := func(a opened) float64 { return a.name.step }
	inEpoch := func(a opened) float64 { return of(a.c.Info.Epoch) }
	inStep := func(a opened) float64 { return of(a.c.Info.Step) }

	var epochs, steps func(opened) float64
	switch {
	case names && known(nameStep):
		steps = nameStep
	case insides && known(inStep):
		steps = inStep
	}
	switch {
	case names && every(nameEpoch):
		epochs = nameEpoch
	case insides && every(inEpoch):
		epochs = inEpoch
	case o.StepsPerEpoch > 0 && steps != nil:
		// epochs from the steps
	case names && every(nameBare) && len(all) > 1:
		epochs = nameBare
		u.note("the numbers in the names are taken for epochs (--pattern 'name_{step}.pt' takes them for steps)")
	case names && known(nameEpoch) || insides && known(inEpoch):
		return nil, fmt.Errorf("several checkpoints, such as %s and %s, are of the same epoch: --steps-per-epoch makes epochs of their steps, --pattern says what in their names counts", filepath.Base(all[0].path), filepath.Base(all[1].path))
	case steps != nil:
		u.counted = true
		u.note("no epochs are known: the checkpoints are counted 1, 2, 3, … (--steps-per-epoch makes epochs of their steps)")
	case len(all) == 1:
		u.counted = true
		u.note("no epoch is known: it is taken for 1")
	default:
		return nil, fmt.Errorf("neither the names (such as %s) nor the files say epochs or steps: --pattern says where in the name a number stands, as in 'run_{epoch}.pt'", filepath.Base(all[0].path))
	}

	offset := 0.0
	switch {
	case o.EpochOffset != nil:
		offset = *o.EpochOffset
	case epochs != nil && (all[0].name.lightning || all[0].c.Info.Lightning):
		offset = 1
		u.note("Lightning counts epochs from 0: 1 is added (--epoch-offset says otherwise)")
	}
	perEpoch := o.StepsPerEpoch
	out := make([]numbers, len(all))
	lowest := math.Inf(1)
	for i, a := range all {
		switch {
		case epochs != nil:
			out[i].epoch = epochs(a) + offset
		case perEpoch > 0 && steps != nil:
			out[i].epoch = steps(a) / float64(perEpoch)
		}
		if steps != nil {
			v := steps(a)
			if v < 0 || v != math.Trunc(v) || v > 1<<53 {
				return nil, fmt.Errorf("%s: step %g", a.path, v)
			}
			out[i].step = int64(v)
		}
		lowest = min(lowest, out[i].epoch)
		if e := out[i].epoch; math.IsNaN(e) || e < 0 || e > 1e12 {
			return nil, fmt.Errorf("%s: epoch %g", a.path, e)
		}
		if in := a.c.Info.Epoch; epochs != nil && in != nil && *in+offset != out[i].epoch && i == 0 {
			u.note("%s says epoch %s inside, its name %s: the name counts (--numbers inside takes the other)", filepath.Base(a.path), trajectory.EpochName(*in), a.name)
		}
	}
	if epochs == nil && (perEpoch == 0 || steps == nil) {
		// Counted in the order of their steps.
		for i := range out {
			rank := 1
			for j := range out {
				if out[j].step < out[i].step {
					rank++
				}
			}
			out[i].epoch = float64(rank)
		}
	}
	if epochs != nil && lowest == 0 {
		u.note("epoch 0 is taken for the weights before training (--epoch-offset 1 if the files count epochs from 0)")
	}
	switch {
	case steps == nil && perEpoch > 0:
		for i := range out {
			out[i].step = int64(math.Round(out[i].epoch * float64(perEpoch)))
		}
	case steps == nil:
		u.StepsUnknown = true
	case perEpoch == 0 && epochs != nil:
		// As the last one tells.
		last := 0
		for i := range out {
			if out[i].step > out[last].step {
				last = i
			}
		}
		if e := out[last].epoch; e > 0 {
			perEpoch = int64(math.Round(float64(out[last].step) / e))
		}
	}
	u.StepsPerEpoch = perEpoch
	return out, nil
}
