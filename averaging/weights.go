package averaging

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

var weightsKind = Kind{
	Name: "weights",
	About: "coefficients of your own from a CSV file with a header: age,weight for every endpoint (age 0 is the endpoint's checkpoint), epoch,weight " +
		"for every endpoint from the newest epoch on, or endpoint,epoch,weight",
	Examples: []string{"weights:mine.csv", "weights:mine.csv,normalize=true"},
	Options: []spec.Option{
		{Name: "normalize", Default: "false", About: "true divides the weights by their sum, which else must be 1"},
	},
	Parse: func(s *spec.Spec) Scheme {
		w := &Weights{File: s.Word("the file", "weights:mine.csv"), Normalize: s.Bool("normalize", false)}
		if w.File != "" {
			if err := w.read(); err != nil {
				s.Fail("%w", err)
			}
		}
		return w
	},
}

// Weights are coefficients of the user's own, from a CSV file with a header line, in one of three forms:
//
//	age,weight             for every endpoint: age 0 is its own checkpoint, 1 the one before, …
//	epoch,weight           for every endpoint that has all these epochs behind it
//	endpoint,epoch,weight  for the endpoints that are named, by their epochs
//
// The weights of an endpoint sum to 1 within 1e-9, unless Normalize: then they are divided by their sum.
// They may be negative, which extrapolates.
type Weights struct {
	File      string
	Normalize bool

	byAge bool
	rows  map[float64][]share // by the endpoint's epoch; under everyEndpoint for the forms without one
}

// share is one line: an age or an epoch, and its weight.
type share struct{ at, weight float64 }

var everyEndpoint = math.Inf(-1)

// maxWeightsFile bounds the file, in bytes: a million lines.
const maxWeightsFile = 32 << 20

// Spec implements Scheme.
func (w *Weights) Spec() string {
	if w.Normalize {
		return "weights:" + w.File + ",normalize=true"
	}
	return "weights:" + w.File
}

// K implements Scheme.
func (*Weights) K() int { return 0 }

// Coefficients implements Scheme. An epoch that the trajectory has not, or that lies beyond the endpoint,
// is an error.
func (w *Weights) Coefficients(points []Point, endpoint int) (Coefficients, error) {
	shares, ok := w.rows[everyEndpoint]
	if !ok {
		for at, s := range w.rows {
			i := find(points, at)
			if i < 0 {
				return Coefficients{}, fmt.Errorf("%s: endpoint %g: the trajectory has no checkpoint of this epoch", w.File, at)
			}
			if i == endpoint {
				shares = s
			}
		}
	}
	byIndex := map[int]float64{}
	var indices []int
	for _, s := range shares {
		i := endpoint - int(s.at)
		if !w.byAge {
			i = find(points, s.at)
		}
		switch {
		case i < 0 && !w.byAge:
			return Coefficients{}, fmt.Errorf("%s: epoch %g: the trajectory has no checkpoint of this epoch", w.File, s.at)
		case i > endpoint && ok || i < 0:
			return Coefficients{}, nil // before the newest epoch, or too few checkpoints yet
		case i > endpoint:
			return Coefficients{}, fmt.Errorf("%s: endpoint %g: epoch %g lies beyond it", w.File, points[endpoint].Epoch, s.at)
		}
		byIndex[i] = s.weight
		indices = append(indices, i)
	}
	slices.Sort(indices)
	c := weighted(indices, func(i int) float64 { return byIndex[indices[i]] })
	c.Gaps = !w.byAge
	if len(c.Weights) > 0 && !slices.ContainsFunc(c.Weights, func(v float64) bool { return v != c.Weights[0] }) {
		gaps := c.Gaps
		c = mean(c.Indices) // equal weights are the mean, however they were rounded
		c.Gaps = gaps
	}
	return c, nil
}

// find is the index of the checkpoint of an epoch, or −1.
func find(points []Point, epoch float64) int {
	return slices.IndexFunc(points, func(p Point) bool { return math.Abs(p.Epoch-epoch) < trajectory.EpochSlack })
}

func (w *Weights) read() error {
	f, _, err := input.Open(w.File, maxWeightsFile)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := w.parse(f); err != nil {
		return fmt.Errorf("%s: %w", w.File, err)
	}
	return nil
}

func (w *Weights) parse(r io.Reader) error {
	lines := csv.NewReader(r)
	lines.TrimLeadingSpace = true
	lines.Comment = '#'
	header, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	} else if err != nil {
		return err
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	forms := []string{"age,weight", "epoch,weight", "endpoint,epoch,weight"}
	form := strings.ToLower(strings.ReplaceAll(strings.Join(header, ","), " ", ""))
	if !slices.Contains(forms, form) {
		return fmt.Errorf("the header is %.200q, expected %s", strings.Join(header, ","), strings.Join(forms, " or "))
	}
	w.byAge = form == forms[0]
	w.rows = map[float64][]share{}
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := w.add(header, fields); err != nil {
			line, _ := lines.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(w.rows) == 0 {
		return errors.New("it holds no weights")
	}
	return w.check(header[len(header)-2])
}

// add takes in the fields of one line.
func (w *Weights) add(header, fields []string) error {
	var values []float64
	for i, field := range fields {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s %.80q is not a number", header[i], field)
		}
		values = append(values, v)
	}
	endpoint := everyEndpoint
	if len(values) == 3 {
		endpoint, values = values[0], values[1:]
	}
	s := share{values[0], values[1]}
	if w.byAge && (s.at < 0 || s.at != math.Trunc(s.at) || s.at > 1e9) {
		return fmt.Errorf("age %g: want 0, 1, 2, … checkpoints", s.at)
	}
	w.rows[endpoint] = append(w.rows[endpoint], s)
	return nil
}

// check sorts the lines of each endpoint and looks at their sum; what names share.at, an age or an epoch.
func (w *Weights) check(what string) error {
	for endpoint, shares := range w.rows {
		of := ""
		if endpoint != everyEndpoint {
			of = fmt.Sprintf(" of endpoint %g", endpoint)
		}
		slices.SortFunc(shares, func(a, b share) int { return cmp.Compare(a.at, b.at) })
		sum, size := 0.0, 0.0
		for i, s := range shares {
			if i > 0 && s.at == shares[i-1].at {
				return fmt.Errorf("the weights%s have %s %g twice", of, what, s.at)
			}
			sum += s.weight
			size += math.Abs(s.weight)
		}
		switch {
		case math.IsInf(size, 0):
			return fmt.Errorf("the weights%s are too large to be summed", of)
		case !w.Normalize && math.Abs(sum-1) > 1e-9:
			return fmt.Errorf("the weights%s sum to %.12g, not to 1 (normalize=true divides them by their sum)", of, sum)
		case !(math.Abs(sum) > 1e-12*size):
			return fmt.Errorf("the weights%s sum to 0", of)
		}
	}
	return nil
}
