package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// The factors of low-rank adapters are averaged only where somebody says that he knows what that is.
func TestFactors(t *testing.T) {
	for name, refused := range map[string]bool{"base_model.model.q_proj.lora_A.weight": true, "model.q_proj.weight": false} {
		rec, err := trajectory.Create(filepath.Join(t.TempDir(), "run"), formats.Files{}, trajectory.Meta{Run: "run"})
		if err != nil {
			t.Fatal(err)
		}
		defer rec.Close()
		c, err := rec.Write(trajectory.Checkpoint{Epoch: 1}, checkpoint.Arrange([]checkpoint.Tensor{{Name: name, DType: checkpoint.F32, Shape: []int64{2}}}), make([]byte, 8))
		if err == nil {
			err = rec.Commit(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		err = selection{}.factors(rec.Trajectory)
		if refused != (err != nil && strings.Contains(withFlags(err), "the mean of factors is not the factor of the mean of their products") && strings.Contains(withFlags(err), "--allow-factors")) {
			t.Errorf("%s: %v", name, err)
		}
		if err := (selection{allowFactors: true}).factors(rec.Trajectory); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
