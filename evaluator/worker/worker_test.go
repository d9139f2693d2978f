package worker

import (
	"encoding/json"
	"math"
	"testing"
)

func TestMetrics(t *testing.T) {
	for text, want := range map[string]Metric{
		`1.5`:                                 {Value: 1.5, StdErr: math.NaN()},
		`{"value": 2, "stderr": 0.1, "n": 9}`: {Value: 2, StdErr: 0.1, N: 9},
		`{"values": [1, 2, 3, 4]}`:            {Value: 2.5, StdErr: math.Sqrt(5.0 / 3 / 4), N: 4},
		`NaN`:                                 {Value: math.NaN(), StdErr: math.NaN()},
		`{"value": -Infinity}`:                {Value: math.Inf(-1), StdErr: math.NaN()},
		`{"values": [NaN, "inf"]}`:            {Value: math.NaN(), StdErr: math.NaN(), N: 2},
		// A mean over 3, 1 and no tokens; the error of a ratio over three examples.
		`{"values": [1, 5, NaN], "sizes": [3, 1, 0]}`: {Value: 2, StdErr: math.Sqrt((9+9)/2.0/3) / (4.0 / 3), N: 4},
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
	for _, text := range []string{`"high"`, `[]`, `{}`, `{"n": 3}`, `{"value": "x"}`, `true`, `{"values": [1], "sizes": [1, 2]}`, `{"values": [1], "sizes": [0]}`, `{"values": [1, 2], "sizes": [1, -1]}`, `{"sizes": [1]}`} {
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
