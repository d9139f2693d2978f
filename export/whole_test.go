package export

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/pytorch"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// TestWhole: the newest checkpoint's file comes back with other weights and all that stood beside them. Averages of one
// checkpoint give the weights that were there, in whatever storages and strides they lie.
func TestWhole(t *testing.T) {
	for _, name := range []string{"epoch=4-step=500.ckpt", "imagenet.pth.tar", "views.pt", "tied.pt", "fairseq.pt"} {
		path := filepath.Join("../testdata/foreign", name)
		was, err := formats.Open(path, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer was.Close()
		link := trajectory.NewLink(path, was, checkpoint.Options{})
		run, err := trajectory.Linked("run", formats.Files{}, trajectory.Meta{Run: "run", Tied: was.Tied()}, []trajectory.Checkpoint{{Index: 1, Epoch: 1, Step: 1, Bytes: was.About().FileBytes, Link: link}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "new", "whole.pt")
		e := &Export{Trajectory: run, Schemes: []averaging.Scheme{averaging.Last{}}, Endpoints: []int{0}, Format: PT, Whole: true, AllowNonFinite: true, Path: func(averaging.Scheme, int) string { return out }}
		if err := e.Run(context.Background()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		is, err := formats.Open(out, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer is.Close()
		if !bytes.Equal(streamed(t, was), streamed(t, is)) || is.About().Key != was.About().Key || is.About().Info.Lightning != was.About().Info.Lightning || len(is.About().Info.Numbers) != len(was.About().Info.Numbers) || len(is.Tied()) != len(was.Tied()) {
			t.Errorf("%s: written whole, it is another checkpoint", name)
		}
	}
	// The same average, whole and as a state dict alone.
	var list []trajectory.Checkpoint
	for i, name := range []string{"epoch_1.pt", "epoch_2.pt"} {
		path := filepath.Join("../testdata/script/conv", name)
		c, err := formats.Open(path, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		list = append(list, trajectory.Checkpoint{Index: i + 1, Epoch: float64(i + 1), Step: int64(i + 1), Bytes: c.About().FileBytes, Link: trajectory.NewLink(path, c, checkpoint.Options{})})
	}
	two, err := trajectory.Linked("run", formats.Files{}, trajectory.Meta{Run: "run"}, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	schemes, err := averaging.ParseAll([]string{"lawa:k=2"})
	if err != nil {
		t.Fatal(err)
	}
	var written [2][]byte
	for i, whole := range []bool{false, true} {
		out := filepath.Join(t.TempDir(), "avg.pt")
		e := &Export{Trajectory: two, Schemes: schemes, Endpoints: []int{1}, Format: PT, Whole: whole, Path: func(averaging.Scheme, int) string { return out }}
		if err := e.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		c, err := formats.Open(out, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		written[i] = streamed(t, c)
	}
	if !bytes.Equal(written[0], written[1]) {
		t.Error("an average written whole has other weights than alone")
	}
	// What cannot be written so says it.
	path := "../testdata/foreign/imagenet-legacy.pth.tar"
	run, err := trajectory.Linked("run", formats.Files{}, trajectory.Meta{Run: "run"}, []trajectory.Checkpoint{{Index: 1, Epoch: 1, Step: 1, Link: &trajectory.Link{Path: path}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	run.Trust()
	c, err := formats.Open(path, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	run.Checkpoints[0].Bytes = c.About().FileBytes
	e := &Export{Trajectory: run, Schemes: []averaging.Scheme{averaging.Last{}}, Endpoints: []int{0}, Format: PT, Whole: true, Path: func(averaging.Scheme, int) string { return filepath.Join(t.TempDir(), "x.pt") }}
	if err := e.Run(context.Background()); !errors.Is(err, pytorch.ErrNotWhole) {
		t.Errorf("a legacy file: %v", err)
	}
}
