package importer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// A linked checkpoint is opened again as it was opened at first, and has the digest of the one that is copied: names
// taken off, tensors left out, and those untied that are tied in one checkpoint and stored apart in another.
func TestLinksKeepOptions(t *testing.T) {
	fixture := func(name string) string { return filepath.Join("..", "testdata", "foreign", name) }
	for name, c := range map[string]struct {
		files []string
		o     checkpoint.Options
	}{
		"stripped":       {[]string{"compiled-inside.pt"}, checkpoint.Options{Strip: []string{"net."}}},
		"skipped":        {[]string{"skip.pt"}, checkpoint.Options{Skip: []string{"lap", "q.*"}}},
		"of several":     {[]string{"parts.pt"}, checkpoint.Options{Key: "encoder,decoder"}},
		"tied and apart": {[]string{"tie-1.pt", "tie-2.pt"}, checkpoint.Options{}},
		"arrays":         {[]string{"state.pkl"}, checkpoint.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i, f := range c.files {
				data, err := os.ReadFile(fixture(f))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, "epoch_"+string(rune('1'+i))+filepath.Ext(f)), data, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			u, err := Understand([]string{dir}, Options{Options: c.o})
			if err != nil {
				t.Fatal(err)
			}
			var digests [2][]string
			for i, link := range []bool{false, true} {
				out := filepath.Join(t.TempDir(), "run")
				r, err := trajectory.Create(out, formats.Files{}, u.Meta(trajectory.Meta{Run: "x"}))
				if err != nil {
					t.Fatal(err)
				}
				var layout []checkpoint.Tensor
				for _, f := range u.Checkpoints {
					if _, err := Add(context.Background(), r, u, f, &layout, link); err != nil {
						t.Fatal(err)
					}
				}
				r.Close()
				run, err := trajectory.Open(out, formats.Files{})
				if err != nil {
					t.Fatal(err)
				}
				for j, line := range run.Checkpoints {
					w, err := run.Map(j, true) // verifies the digest of what is mapped
					if err != nil {
						t.Fatal(err)
					}
					w.Close()
					digests[i] = append(digests[i], line.SHA256)
				}
			}
			for j := range digests[0] {
				if digests[0][j] != digests[1][j] {
					t.Errorf("checkpoint %d: copied %s, linked %s", j+1, digests[0][j], digests[1][j])
				}
			}
		})
	}
}

// What cannot be averaged is shown, and not imported.
func TestQuantisedIsNotImported(t *testing.T) {
	dir := t.TempDir()
	list := checkpoint.Arrange([]checkpoint.Tensor{{Name: "a.weight", DType: "F8_E4M3", Shape: []int64{4}}, {Name: "a.weight_scale", DType: "F32", Shape: []int64{}}})
	f, err := os.Create(filepath.Join(dir, "epoch_1.safetensors"))
	if err == nil {
		err = errors.Join(safetensors.Write(f, list, nil, make([]byte, 8)), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := Understand([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := trajectory.Create(filepath.Join(t.TempDir(), "run"), formats.Files{}, u.Meta(trajectory.Meta{Run: "x"}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, link := range []bool{false, true} {
		var layout []checkpoint.Tensor
		if _, err := Add(context.Background(), r, u, u.Checkpoints[0], &layout, link); err == nil || !strings.Contains(err.Error(), "a.weight (F8_E4M3[4])") {
			t.Errorf("linked %v: %v", link, err)
		}
	}
}
