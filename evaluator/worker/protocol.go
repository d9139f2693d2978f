package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Protocol is the version that is spoken.
const Protocol = 1

// maxLine bounds an answer, in bytes: a million per-example values fit.
const maxLine = 64 << 20

// Hello is what a worker is told first.
type Hello struct {
	Type     string            `json:"type"` // hello
	Protocol int               `json:"protocol"`
	Slot     int               `json:"slot"`   // 0, 1, … of Slots
	Slots    int               `json:"slots"`  // workers that run side by side
	Device   string            `json:"device"` // as asked for: cpu, cuda:0
	Model    string            `json:"model,omitempty"`
	Data     string            `json:"data,omitempty"`
	Tied     map[string]string `json:"tied,omitempty"` // names that stand for another tensor of the weights
}

// Ready is what it answers.
type Ready struct {
	Type     string          `json:"type"` // ready
	Protocol int             `json:"protocol"`
	Identity string          `json:"identity"` // changes when its numbers would
	Splits   []string        `json:"splits"`
	Policies []string        `json:"policies"` // of batch-norm statistics that it can recompute itself: recompute
	Metrics  []metric.Metric `json:"metrics"`  // how to read those that it answers with
}

// Request asks for an evaluation.
type Request struct {
	Type    string   `json:"type"` // evaluate
	ID      int      `json:"id"`
	Name    string   `json:"name"`    // what the weights are, for people
	Weights string   `json:"weights"` // a safetensors file, which stays as it is until the answer
	Splits  []string `json:"splits"`
	Policy  string   `json:"policy"` // copy, average: done already; recompute: to be done by the worker
	Samples int      `json:"samples,omitempty"`
	Seed    int      `json:"seed,omitempty"`
}

// Metric is one metric of an answer.
type Metric struct {
	Value, StdErr float64 // StdErr is NaN where it is not known
	N             int64
	// Values are what each example gave, where the program said it; with Sizes each is a sum over as many things: see metric.Mean.
	Values, Sizes []float64
}

// UnmarshalJSON reads a number; {"value": …, "stderr": …, "n": …}; or {"values": [one for each example]}, of means over "sizes" of
// things each, if these are given.
func (m *Metric) UnmarshalJSON(text []byte) error {
	*m = Metric{StdErr: math.NaN()}
	if len(text) > 0 && text[0] != '{' {
		v, err := number(text)
		m.Value = v
		return err
	}
	var o struct {
		Value  json.RawMessage   `json:"value"`
		StdErr json.RawMessage   `json:"stderr"`
		N      int64             `json:"n"`
		Values []json.RawMessage `json:"values"`
		Sizes  []json.RawMessage `json:"sizes"`
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	if len(o.Values) > 0 {
		return m.of(o.Values, o.Sizes)
	}
	if len(o.Sizes) > 0 {
		return errors.New("sizes without values")
	}
	if len(o.Value) == 0 {
		return errors.New("a metric without value or values")
	}
	var err error
	if m.Value, err = number(o.Value); err == nil && len(o.StdErr) > 0 {
		m.StdErr, err = number(o.StdErr)
	}
	m.N = o.N
	return err
}

// of takes what each example gave.
func (m *Metric) of(values, sizes []json.RawMessage) (err error) {
	if m.Values, err = numbers(values); err != nil {
		return err
	}
	if len(sizes) > 0 {
		if m.Sizes, err = numbers(sizes); err != nil {
			return err
		}
		if err := metric.CheckSizes(m.Values, m.Sizes); err != nil {
			return err
		}
		for i, size := range m.Sizes {
			if m.Values[i] *= size; size == 0 {
				m.Values[i] = 0 // of nothing, whatever its mean is called
			}
		}
	}
	if m.Value, m.StdErr, m.N = metric.Mean(m.Values, m.Sizes); m.Sizes != nil && m.N == 0 {
		return errors.New("sizes of 0 alone")
	}
	return nil
}

func numbers(raw []json.RawMessage) ([]float64, error) {
	out := make([]float64, len(raw))
	for i, one := range raw {
		var err error
		if out[i], err = number(one); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// quoted puts NaN, Infinity and -Infinity, which Python's json writes though JSON has none, into quotes.
func quoted(text []byte) []byte {
	if !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
		return text
	}
	var out []byte
	inside := false
	for i := 0; i < len(text); {
		found := ""
		if !inside {
			for _, word := range []string{"NaN", "-Infinity", "Infinity"} {
				if bytes.HasPrefix(text[i:], []byte(word)) {
					found = word
					break
				}
			}
		}
		switch {
		case found != "":
			out = append(out, '"')
			out = append(append(out, found...), '"')
			i += len(found)
			continue
		case inside && text[i] == '\\' && i+1 < len(text):
			out = append(out, text[i])
			i++
		case text[i] == '"':
			inside = !inside
		}
		out = append(out, text[i])
		i++
	}
	return out
}

// number reads a number, or the name of one that JSON lacks.
func number(raw json.RawMessage) (float64, error) {
	var v float64
	if json.Unmarshal(raw, &v) == nil && string(raw) != "null" {
		return v, nil
	}
	switch strings.Trim(string(raw), `"`) {
	case "NaN", "nan", "null":
		return math.NaN(), nil
	case "Infinity", "inf", "+Inf":
		return math.Inf(1), nil
	case "-Infinity", "-inf", "-Inf":
		return math.Inf(-1), nil
	}
	return 0, fmt.Errorf("%.40s is not a number", raw)
}

// Answer is what comes back: metrics by split.
type Answer struct {
	Type    string                       `json:"type"` // result or error
	ID      int                          `json:"id"`
	Splits  map[string]map[string]Metric `json:"splits"`
	Message string                       `json:"message"` // of an error
}
