package worker

import (
	"encoding/json"
	"math"
	"testing"
)

func TestMetrics(t *testing.T) {
	for text, want := range map[string]Metric{
		`1.5`:                                 {1.5, math.NaN(), 0},
		`{"value": 2, "stderr": 0.1, "n": 9}`: {2, 0.1, 9},
		`{"values": [1, 2, 3, 4]}`:            {2.5, math.Sqrt(5.0 / 3 / 4), 4},
		`NaN`:                                 {math.NaN(), math.NaN(), 0},
		`{"value": -Infinity}`:                {math.Inf(-1), math.NaN(), 0},
		`{"values": [NaN, "inf"]}`:            {math.NaN(), math.NaN(), 2},
	} {
		var m Metric
		if err := json.Unmarshal(quoted([]byte(text)), &m); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if !same(m.Value, want.Value) || !same(m.StdErr, want.StdErr) || m.N != want.N {
			t.Errorf("%s: %+v, expected %+v", text, m, want)
		}
	}
	for _, text := range []string{`"high"`, `[]`, `{}`, `{"n": 3}`, `{"value": "x"}`, `true`} {
		var m Metric
		if err := json.Unmarshal([]byte(text), &m); err == nil {
			t.Errorf("%s is read as %+v", text, m)
		}
	}
	if got := string(quoted([]byte(`{"NaN \" NaN": NaN, "a": [-Infinity,Infinity]}`))); got != `{"NaN \" NaN": "NaN", "a": ["-Infinity","Infinity"]}` {
		t.Errorf("%s", got)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"type": "result", "id": 1, "splits": {"val": {"loss": {"values": [1, NaN]}, "top1": 3}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var a Answer
		_ = json.Unmarshal(quoted(text), &a)
	})
}
