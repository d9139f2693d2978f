package export

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint/foreign"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// TestWhole: the newest checkpoint's file comes back with other weights and all that stood beside them. Averages of one
// checkpoint give the weights that were there, in whatever storages and strides they lie.
func TestWhole(t *testing.T) {
	for _, name := range []string{"epoch=4-step=500.ckpt", "imagenet.pth.tar", "views.pt", "tied.pt", "fairseq.pt"} {
		path := filepath.Join("../testdata/foreign", name)
		was, err := foreign.Open(path, foreign.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer was.Close()
		link := trajectory.NewLink(path, was, foreign.Options{})
		run, err := trajectory.Linked("run", trajectory.Meta{Run: "run", Tied: was.Tied}, []trajectory.Checkpoint{{Index: 1, Epoch: 1, Step: 1, Bytes: was.FileBytes(), Link: link}})
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "new", "whole.pt")
		e := &Export{Trajectory: run, Schemes: []averaging.Scheme{averaging.Last{}}, Endpoints: []int{0}, Format: PT, Whole: true, AllowNonFinite: true, Path: func(averaging.Scheme, int) string { return out }}
		if err := e.Run(context.Background()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		is, err := foreign.Open(out, foreign.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer is.Close()
		var a, b bytes.Buffer
		if _, err := was.WriteTo(&a); err != nil {
			t.Fatal(err)
		}
		if _, err := is.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) || is.Key != was.Key || is.Info.Lightning != was.Info.Lightning || len(is.Info.Numbers) != len(was.Info.Numbers) || len(is.Tied) != len(was.Tied) {
			t.Errorf("%s: written whole, it is another checkpoint", name)
		}
	}
	// The same average, whole and as a state dict alone.
	var list []trajectory.Checkpoint
	for i, name := range []string{"epoch_1.pt", "epoch_2.pt"} {
		path := filepath.Join("../testdata/script/conv", name)
		c, err := foreign.Open(path, foreign.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		list = append(list, trajectory.Checkpoint{Index: i + 1, Epoch: float64(i + 1), Step: int64(i + 1), Bytes: c.FileBytes(), Link: trajectory.NewLink(path, c, foreign.Options{})})
	}
	two, err := trajectory.Linked("run", trajectory.Meta{Run: "run"}, list)
	if err != nil {
		t.Fatal(err)
	}
	schemes, err := averaging.ParseAll([]string{"lawa:k=2"})
	if err != nil {
		t.Fatal(err)
	}
	var written [2]bytes.Buffer
	for i, whole := range []bool{false, true} {
		out := filepath.Join(t.TempDir(), "avg.pt")
		e := &Export{Trajectory: two, Schemes: schemes, Endpoints: []int{1}, Format: PT, Whole: whole, Path: func(averaging.Scheme, int) string { return out }}
		if err := e.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		c, err := foreign.Open(out, foreign.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.WriteTo(&written[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(written[0].Bytes(), written[1].Bytes()) {
		t.Error("an average written whole has other weights than alone")
	}
	// What cannot be written so says it.
	path := "../testdata/foreign/imagenet-legacy.pth.tar"
	run, err := trajectory.Linked("run", trajectory.Meta{Run: "run"}, []trajectory.Checkpoint{{Index: 1, Epoch: 1, Step: 1, Link: &trajectory.Link{Path: path}}})
	if err != nil {
		t.Fatal(err)
	}
	run.Trust()
	c, err := foreign.Open(path, foreign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	run.Checkpoints[0].Bytes = c.FileBytes()
	e := &Export{Trajectory: run, Schemes: []averaging.Scheme{averaging.Last{}}, Endpoints: []int{0}, Format: PT, Whole: true, Path: func(averaging.Scheme, int) string { return filepath.Join(t.TempDir(), "x.pt") }}
	if err := e.Run(context.Background()); !errors.Is(err, foreign.ErrNotWhole) {
		t.Errorf("a legacy file: %v", err)
	}
}
