package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Every input of an evaluation is in its key.
func TestKeyDependsOnEveryInput(t *testing.T) {
	base := Inputs{2, "classification", "m", "a", "recompute", &BNData{"d", 5, 0}, "v", "float32, cpu, libtorch 2.11.0"}
	seen := map[string]string{base.Key(): "base"}
	for name, change := range map[string]func(*Inputs){
		"format":   func(i *Inputs) { i.Format++ },
		"task":     func(i *Inputs) { i.Task += "x" },
		"model":    func(i *Inputs) { i.Model += "x" },
		"average":  func(i *Inputs) { i.Average = "b" },
		"policy":   func(i *Inputs) { i.Policy = "copy" },
		"bn data":  func(i *Inputs) { i.BN = &BNData{"e", 5, 0} },
		"bn batch": func(i *Inputs) { i.BN = &BNData{"d", 6, 0} },
		"bn error": func(i *Inputs) { i.BN = &BNData{"d", 5, 0.1} },
		"data":     func(i *Inputs) { i.Data = "w" },
		"device":   func(i *Inputs) { i.Numeric = "float32, cuda NVIDIA H100 80GB HBM3, libtorch 2.11.0" },
		"libtorch": func(i *Inputs) { i.Numeric = "float32, cpu, libtorch 2.12.0" },
	} {
		in := base
		change(&in)
		if other, twice := seen[in.Key()]; twice {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[in.Key()] = name
	}
}

// An average's digest is that of its lines, which any program can write; every checkpoint and coefficient is in it.
func TestAverageDigest(t *testing.T) {
	checkpoints := []trajectory.Checkpoint{{SHA256: "aa"}, {SHA256: "bb"}, {SHA256: "cc"}}
	of := func(c averaging.Coefficients) Average { return newAverage(checkpoints, c, rounding{}) }
	base := averaging.Coefficients{Indices: []int{0, 2}, Weights: []float64{1, 2}, Norm: 3}
	sum := sha256.Sum256([]byte("aa 0.3333333333333333\ncc 0.6666666666666666\n"))
	if want := (Average{2, "", hex.EncodeToString(sum[:])}); of(base) != want {
		t.Errorf("%v, expected %v", of(base), want)
	}
	for name, c := range map[string]averaging.Coefficients{
		"checkpoint":  {Indices: []int{0, 1}, Weights: []float64{1, 2}, Norm: 3},
		"order":       {Indices: []int{0, 2}, Weights: []float64{2, 1}, Norm: 3},
		"coefficient": {Indices: []int{0, 2}, Weights: []float64{1, 2}, Norm: 4},
		"fewer":       {Indices: []int{0}, Weights: []float64{1}, Norm: 3},
	} {
		if of(c).Digest == of(base).Digest {
			t.Errorf("another %s has the same digest", name)
		}
	}
	for name, to := range map[string]rounding{"type": {checkpoint.F32, true}, "narrower type": {checkpoint.BF16, false}} {
		rounded := newAverage(checkpoints, base, to)
		sum := sha256.Sum256([]byte("aa 0.3333333333333333\ncc 0.6666666666666666\ndtype " + string(to.to) + "\n"))
		if want := (Average{2, to.to, hex.EncodeToString(sum[:])}); rounded != want {
			t.Errorf("another %s: %v, expected %v", name, rounded, want)
		}
		// One checkpoint alone is the same in a type that holds it, so that what its training log knows of it serves.
		alone := averaging.Coefficients{Indices: []int{1}, Weights: []float64{1}, Norm: 1}
		if same := newAverage(checkpoints, alone, to) == of(alone); same != to.exact {
			t.Errorf("one checkpoint in another %s is the same: %v", name, same)
		}
	}
}
