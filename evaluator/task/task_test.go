package task

import (
	"math"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// What a kind shows as an example can be read, and is written as it is read.
func TestExamples(t *testing.T) {
	for _, k := range Kinds() {
		if err := k.Check(); err != nil {
			t.Error(err)
		}
		for _, text := range k.Examples {
			task, err := Parse(text)
			if err != nil || task.Spec() != text || task.Name() != k.Name {
				t.Errorf("%s: %v, %v", text, task, err)
			}
		}
	}
	if _, err := Parse("classification:label-smoothing=1"); err == nil {
		t.Error("labels are smoothed away")
	}
}

func TestMeanOverExamples(t *testing.T) {
	c := &classScores{loss: []float64{1, 2, 3, 4}, rank: []float64{0, 0, 3, 7}}
	c.classes.Store(6)
	want := []Value{
		{"loss", 2.5, math.Sqrt(5.0 / 3 / 4), 4},
		{"top1", 50, math.Sqrt(4 * 2500.0 / 3 / 4), 4},
		{"top5", 75, math.Sqrt((3*625.0 + 5625) / 3 / 4), 4},
	}
	got := c.Values()
	if len(got) != 3 {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, expected %+v", got[i], want[i])
		}
	}
	c.classes.Store(5)
	if got := c.Values(); len(got) != 2 {
		t.Errorf("top5 of 5 classes: %v", got)
	}
}

// batch is one on the CPU; the last field is the targets.
func batch(t *testing.T, s *torch.Scope, n int, arrays ...dataset.Array) *device.Batch {
	t.Helper()
	var names []string
	for _, a := range arrays {
		names = append(names, a.Name)
	}
	b := device.Place(s, torch.CPU, &dataset.Batch{N: n, Arrays: arrays}, names)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return b
}

func array(name string, shape []int64, data ...byte) dataset.Array {
	return dataset.Array{Field: dataset.Field{Name: name, DType: "U8", Shape: shape}, Data: data}
}

// Scores of each task for outputs that are easily checked, and what they say of targets that do not fit.
func TestScores(t *testing.T) {
	var s torch.Scope
	defer s.Close()
	outputs := func(values []float32, shape ...int64) *torch.Tensor {
		y, err := torch.From(torch.CPU, values, shape...)
		if err != nil {
			t.Fatal(err)
		}
		s.Own(y)
		return y
	}
	values := func(task Task, n int, y *torch.Tensor, b *device.Batch) ([]Value, error) {
		r := task.Scores(n)
		err := r.Add(0, y, b)
		return r.Values(), err
	}
	close := func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }
	kept := func(v float64) float64 { return float64(float32(v)) } // what an example gave is kept as

	targets := array(dataset.Targets, nil, 0, 1)
	v, err := values(Classification{0.1}, 2, outputs([]float32{1, 1, 0, 3}, 2, 2), batch(t, &s, 2, targets))
	if want := (kept(math.Ln2) + kept(math.Log(1+math.Exp(-3)))) / 2; err != nil || len(v) != 2 || !close(v[0].Value, want) || v[1].Value != 100 {
		t.Errorf("classification: %v, %v, expected a loss of %v", v, err, want)
	}
	targets.Data[1] = 2
	if _, err := values(Classification{}, 2, outputs([]float32{1, 1, 0, 3}, 2, 2), batch(t, &s, 2, targets)); err == nil || err.Error() != "target 2 of example 1, with 2 classes" {
		t.Errorf("a class that is none: %v", err)
	}
	for name, b := range map[string]*device.Batch{"none": batch(t, &s, 2), "two each": batch(t, &s, 2, array(dataset.Targets, []int64{2}, 0, 1, 0, 1))} {
		if _, err := values(Classification{}, 2, outputs([]float32{1, 1, 0, 3}, 2, 2), b); err == nil {
			t.Errorf("targets: %s: no error", name)
		}
	}
	v, err = values(Regression{}, 2, outputs([]float32{1, 2, 0, 0}, 2, 2), batch(t, &s, 2, array(dataset.Targets, []int64{2}, 1, 4, 3, 0)))
	if err != nil || !close(v[0].Value, (2+4.5)/2) || !close(v[1].Value, (1+1.5)/2) {
		t.Errorf("regression: %v, %v", v, err)
	}
	tokens := array("tokens", []int64{3}, 0, 1, 1, 1, 0, 0)
	logits := []float32{0, 1, 2, 0, 9, 9, 0, 0, 0, 3, 9, 9}
	v, err = values(LanguageModel{}, 2, outputs(logits, 2, 3, 2), batch(t, &s, 2, tokens))
	loss := (kept(math.Log(1+math.Exp(-1))+2+math.Log(1+math.Exp(-2))) + kept(math.Ln2+3+math.Log(1+math.Exp(-3)))) / 4
	if err != nil || !close(v[0].Value, loss) || !close(v[1].Value, math.Exp(loss)) || v[2].Value != 50 || v[0].N != 4 {
		t.Errorf("language model: %v, %v, expected a loss of %v", v, err, loss)
	}
	masked := dataset.Array{Field: dataset.Field{Name: dataset.Targets, DType: "I8", Shape: []int64{3}}, Data: []byte{1, 156, 156, 156, 156, 156}} // -100
	v, err = values(LanguageModel{Masked: true}, 2, outputs(logits, 2, 3, 2), batch(t, &s, 2, tokens, masked))
	if err != nil || !close(v[0].Value, kept(math.Log(1+math.Exp(-1)))) || v[0].N != 1 || v[2].Value != 100 {
		t.Errorf("masked language model: %v, %v", v, err)
	}
	masked.Data[4] = 7
	if _, err := values(LanguageModel{Masked: true}, 2, outputs(logits, 2, 3, 2), batch(t, &s, 2, tokens, masked)); err == nil || err.Error() != "token 7 of example 1, with a vocabulary of 2" {
		t.Errorf("a token that is none: %v", err)
	}
	if _, err := values(LanguageModel{}, 2, outputs(logits, 2, 2, 3), batch(t, &s, 2, tokens)); err == nil || !strings.Contains(err.Error(), "examples × tokens × vocabulary") {
		t.Errorf("outputs of another length: %v", err)
	}
}

// The loss that is trained with is the mean of the scores.
func TestLossIsTheScores(t *testing.T) {
	var s torch.Scope
	defer s.Close()
	y, err := torch.From(torch.CPU, []float32{1, 2, 0, 5, -3, 2, 2, 1, 7, 0, 1, 2}, 2, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.Own(y)
	two, err := torch.From(torch.CPU, []float32{1, 2, 0, 5}, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.Own(two)
	tokens := array("tokens", []int64{3}, 0, 1, 1, 1, 0, 0)
	for _, c := range []struct {
		task Task
		y    *torch.Tensor
		b    *device.Batch
	}{
		{LanguageModel{}, y, batch(t, &s, 2, tokens)},
		{Classification{}, two, batch(t, &s, 2, array(dataset.Targets, nil, 0, 1))},
		{Regression{}, two, batch(t, &s, 2, array(dataset.Targets, []int64{2}, 0, 1, 2, 3))},
	} {
		loss := c.task.Loss(&s, c.y, c.b)
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		var have [1]float32
		if err := torch.Read(have[:], loss, 0); err != nil {
			t.Fatal(err)
		}
		r := c.task.Scores(2)
		if err := r.Add(0, c.y, c.b); err != nil {
			t.Fatal(err)
		}
		if want := r.Values()[0]; math.Abs(float64(have[0])-want.Value) > 1e-5 {
			t.Errorf("%s: trained with %v, %s is %v", c.task.Spec(), have[0], want.Metric, want.Value)
		}
	}
}
