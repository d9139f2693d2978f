package evaluator

import (
	"context"
	"encoding/binary"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// tokens is a field of 2 examples of 3 whole numbers.
func tokens(name string, values ...int64) dataset.Array {
	a := dataset.Array{Field: dataset.Field{Name: name, DType: "I64", Shape: []int64{3}}}
	for _, v := range values {
		a.Data = binary.LittleEndian.AppendUint64(a.Data, uint64(v))
	}
	return a
}

// A module of several inputs takes the fields of their names, in whatever order a split has them, and a language model
// without targets is scored against the first, but for padding. testdata/script/two/make.cpp says what it computes.
func TestSeveralInputs(t *testing.T) {
	e := NewEngine(openScript(t, filepath.Join("..", "testdata", "script", "two", "net.ts")), torch.CPU, 1, 1)
	e.Task = task.LanguageModel{}
	ids, mask := []int64{4, 1, 3, 2, 0, 5}, []int64{1, 0, 1, 1, 1, 0}
	split, err := dataset.NewTensors("val", 2, tokens("attention_mask", mask...), tokens("input_ids", ids...))
	if err != nil {
		t.Fatal(err)
	}
	weights := make([]float32, 11*7)
	for i := range weights {
		weights[i] = float32(i*i%13) / 4
	}
	want := 0.0
	for _, place := range []int{1, 3} { // of the next ones, 0 and 4 are masked
		row, sum := weights[7*ids[place]:], 0.0
		for c := range 7 {
			sum += math.Exp(float64(row[c]) * float64(mask[place]))
		}
		want += (math.Log(sum) - float64(row[ids[place+1]])*float64(mask[place])) / 2
	}
	data, err := e.Load(split, device.NoLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Free()
	values, _, err := e.Validate(context.Background(), weights, data)
	if err != nil || math.Abs(float64(values[0].Value)-want) > 1e-6 || values[0].N != 2 {
		t.Errorf("%v, %v, expected %v", values, err, want)
	}
	other, err := dataset.NewTensors("val", 2, tokens("mask", mask...), tokens("input_ids", ids...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Load(other, device.NoLimit); err == nil || !strings.Contains(err.Error(), "split val: the network takes input_ids, attention_mask, and the examples have mask, input_ids") {
		t.Errorf("another name: %v", err)
	}
}

// A split that does not fit is read on the way, with the same numbers.
func TestWithoutRoom(t *testing.T) {
	s := small(t)
	weights := make([]float32, s.net.Layout().Floats())
	for i := range weights {
		weights[i] = float32(i%7) / 10
	}
	var values [2][]Value
	for i, room := range []int64{device.NoLimit, 1} {
		data, err := s.engine(2).Load(s.set.Val, room)
		if err != nil {
			t.Fatal(err)
		}
		defer data.Free()
		if values[i], _, err = s.engine(2).Validate(context.Background(), weights, data); err != nil {
			t.Fatal(err)
		}
	}
	for i := range values[0] {
		if values[0][i] != values[1][i] {
			t.Errorf("%+v, read on the way %+v", values[0][i], values[1][i])
		}
	}
}

// An empty split has no scores, not NaN.
func TestEmptySplit(t *testing.T) {
	e := NewEngine(openScript(t, filepath.Join("..", "testdata", "script", "two", "net.ts")), torch.CPU, 1, 1)
	e.Task = task.LanguageModel{}
	for want, shape := range map[string][]int64{"it holds no examples": {3}, "input_ids of 0 tokens an example": {0}, "input_ids of 1 tokens an example": {1}} {
		n := 2
		if shape[0] == 3 {
			n = 0
		}
		field := func(name string) dataset.Array {
			return dataset.Array{Field: dataset.Field{Name: name, DType: "I64", Shape: shape}, Data: make([]byte, 8*n*int(shape[0]))}
		}
		split, err := dataset.NewTensors("val", n, field("input_ids"), field("attention_mask"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Load(split, device.NoLimit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
}
