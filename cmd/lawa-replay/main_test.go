//go:build !quick

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lawa-replay/lawa-replay/trajectory"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lawa-replay": main})
}

// TestScripts runs the command as its users do; each file of testdata is a session in an empty folder.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			fixtures, err := filepath.Abs("../../testdata")
			if err != nil {
				return err
			}
			e.Setenv("FIXTURES", fixtures)
			// The module cache, where MNIST lies, is found through these.
			for _, name := range []string{"GOMODCACHE", "GOPATH", "HOME"} {
				if v := os.Getenv(name); v != "" {
					e.Setenv(name, v)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// damage FILE changes the middle of the first weights of a zip of testdata/foreign.
			"damage": func(ts *testscript.TestScript, _ bool, args []string) {
				b, err := os.ReadFile(ts.MkAbs(args[0]))
				ts.Check(err)
				z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
				ts.Check(err)
				for _, f := range z.File {
					if strings.HasSuffix(f.Name, "data/0") {
						at, err := f.DataOffset()
						ts.Check(err)
						b[at+int64(f.CompressedSize64/2)] ^= 1
					}
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
			},
			// flip FILE changes the last byte of a file.
			"flip": func(ts *testscript.TestScript, _ bool, args []string) {
				b, err := os.ReadFile(ts.MkAbs(args[0]))
				ts.Check(err)
				b[len(b)-1] ^= 1
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
			},
		},
	})
}

func TestExitCodes(t *testing.T) {
	if code := run(context.Background(), []string{"--version"}); code != exitDone {
		t.Errorf("--version: %d", code)
	}
	if code := run(context.Background(), []string{"swep"}); code != exitUsage {
		t.Errorf("an unknown command: %d", code)
	}
	if code := run(context.Background(), []string{"inspect", filepath.Join(t.TempDir(), "none")}); code != exitFailed {
		t.Errorf("a missing trajectory: %d", code)
	}
}

func TestParseSchemes(t *testing.T) {
	got, err := selection{k: "1-3,2", schemes: []string{"lawa:k=3", "last", "ema:decay=0.5..0.9/0.2"}}.parseSchemes()
	want := []string{"lawa:k=1", "lawa:k=2", "lawa:k=3", "last", "ema:decay=0.5", "ema:decay=0.7", "ema:decay=0.9"}
	var specs []string
	for _, s := range got {
		specs = append(specs, s.Spec())
	}
	if err != nil || !slices.Equal(specs, want) {
		t.Errorf("%v, %v", specs, err)
	}
}

func TestSelectEpochs(t *testing.T) {
	run := &trajectory.Trajectory{}
	for i := range 8 { // every half epoch, 0.5 to 4
		run.Checkpoints = append(run.Checkpoints, trajectory.Checkpoint{Epoch: float64(i+1) / 2})
	}
	for text, want := range map[string][]int{"": {0, 1, 2, 3, 4, 5, 6, 7}, "2": {3}, "1-2": {1, 2, 3}, "1,2.5,4": {1, 4, 7}, "1-1.5,1": {1, 2}} {
		if got, err := selectEpochs(run, text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"5", "0", "3-5", "2-1", "x", "1,,2", "1.7", "-1"} {
		if got, err := selectEpochs(run, text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestEpochList(t *testing.T) {
	for want, epochs := range map[string][]float64{"": nil, "3": {3}, "4–6, 9": {4, 5, 6, 9}, "0.5, 2–3": {0.5, 2, 3}, "0.5–2": {0.5, 1, 2}} {
		if got := epochList(epochs, []float64{0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9}); got != want {
			t.Errorf("%v: %s, expected %s", epochs, got, want)
		}
	}
}
