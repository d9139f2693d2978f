package trajectory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
)

const goodMeta = `{"format": 1, "run": "r"}`

// weightsFile is a checkpoint of one tensor, and its digest.
func weightsFile(t testing.TB, dir string) (bytes int, sha256 string) {
	t.Helper()
	r, err := Create(dir, formats.Files{}, Meta{Run: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{2}}})
	c, err := r.Write(Checkpoint{Epoch: 1, Step: 1}, tensors, make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	return int(c.Bytes), c.SHA256
}

// TestHostileLines: what a line of checkpoints.jsonl cannot be is an error that says so, and no panic later.
func TestHostileLines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	n, sum := weightsFile(t, dir)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	line := func(change ...string) string {
		return strings.NewReplacer(change...).Replace(fmt.Sprintf(`{"index": 1, "epoch": 1, "step": 1, "file": "weights/000001.safetensors", "bytes": %d, "sha256": %q}`, n, sum)) + "\n"
	}
	write(metaFile, goodMeta)
	write(linesFile, line())
	if run, err := Open(dir, formats.Files{}); err != nil {
		t.Fatal(err)
	} else if w, err := run.Map(0, false); err != nil {
		t.Fatal(err)
	} else {
		w.Close()
	}
	for text, want := range map[string]string{
		line(`"file": "weights/000001.safetensors", `, ""):                        "neither a file nor a link",
		line(`"weights/000001.safetensors"`, "null"):                              "neither a file nor a link",
		line(`"weights/000001.safetensors"`, `"", "link": null`):                  "neither a file nor a link",
		line(`"weights/000001.safetensors"`, `"", "link": {}`):                    "a link without a path",
		line(`"weights/000001.safetensors"`, `"w", "link": {"path": "/x"}`):       "which of them holds the weights",
		line(`"weights/000001.safetensors"`, `"../run/weights/000001"`):           "outside of the folder",
		line(`"weights/000001.safetensors"`, `"/etc/passwd"`):                     "outside of the folder",
		line(`"weights/000001.safetensors"`, `"weights/a\u0000b"`):                "characters that no file name should",
		line(`"weights/000001.safetensors"`, `"..\\weights\\000001.safetensors"`): "another system",
		line(`"epoch": 1`, `"epoch": null`):                                       "no epoch",
		line(`"epoch": 1`, `"epoch": 1e999`):                                      "cannot unmarshal",
		line(`"epoch": 1`, `"epoch": -1`):                                         "epoch -1",
		line(`"epoch": 1`, `"epoch": "NaN"`):                                      "cannot unmarshal",
		line(`"step": 1`, `"step": -5`):                                           "step -5",
		line(`"step": 1`, `"step": 1e30`):                                         "cannot unmarshal",
		line(`"step": 1`, `"step": 9007199254740993`):                             "expected a number from 0 to 2^53",
		line(`"step": 1, `, ""):                                                   "no step",
		line(`"bytes": `, `"bytes": -`):                                           "bytes",
		line(sum, ""):                                                             "64 hexadecimal digits",
		line(sum, sum[1:]):                                                        "64 hexadecimal digits",
		line(`"sha256"`, `"sha"`):                                                 "64 hexadecimal digits",
		line(`"index": 1`, `"index": 0`):                                          "index 0, expected 1",
		line(`"index": 1`, `"index": null`):                                       "no index",
		"null\n":                                                                  "no index",
		"[]\n":                                                                    "cannot unmarshal",
		"\n":                                                                      "unexpected end of JSON",
		strings.TrimSpace(line()) + "{}\n":                                        "after top-level value",
		line() + line():                                                           "line 2: index 1, expected 2",
		strings.Repeat(" ", maxLine) + line():                                     "line 1: the line is too long: more than 16 MiB",
	} {
		write(linesFile, text)
		if _, err := Open(dir, formats.Files{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), linesFile) {
			t.Errorf("%.150s: %v, expected %q", text, err, want)
		}
	}
	write(linesFile, line())
	for text, want := range map[string]string{
		`{"format": 1, "shards": {"w": "../../x"}}`:   `the file of tensor "w": "../../x" lies outside of the folder`,
		`{"format": 1, "shards": {"w": "/x"}}`:        "outside of the folder",
		`{"format": 1, "shards": {"w": ""}}`:          "an empty name",
		`{"format": 1, "batch_size": -1}`:             "batch_size -1",
		`{"format": 1, "steps_per_epoch": -9}`:        "steps_per_epoch -9",
		`{"format": null}`:                            "format 0",
		`null`:                                        "format 0",
		`{"format": 1, "seed": 99999999999999999999}`: "cannot unmarshal",
		strings.Repeat("[", 20000):                    "exceeded max depth",
	} {
		write(metaFile, text)
		if _, err := Open(dir, formats.Files{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), metaFile) {
			t.Errorf("%.100s: %v, expected %q", text, err, want)
		}
	}
}

// TestSealWithoutALink: a trajectory made in memory whose checkpoint has no digest and no link.
func TestSealWithoutALink(t *testing.T) {
	run, err := Linked(t.TempDir(), formats.Files{}, Meta{Run: "r"}, []Checkpoint{{Index: 1, Epoch: 1, Step: 1, File: "weights/x"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Seal(context.Background(), []int{0}, false, nil); err == nil || !strings.Contains(err.Error(), "no digest") {
		t.Errorf("%v", err)
	}
}

// TestNotRegularFiles: pipes and huge sparse files in place of a trajectory's own are errors at once.
func TestNotRegularFiles(t *testing.T) {
	for name, want := range map[string]string{metaFile: "64 MiB are read", linesFile: "more than 16 MiB", filepath.Join(weightsDir, "000001.safetensors"): "header"} {
		for _, pipe := range []bool{true, false} {
			dir := filepath.Join(t.TempDir(), "run")
			n, sum := weightsFile(t, dir)
			for file, text := range map[string]string{metaFile: goodMeta, linesFile: fmt.Sprintf(
				`{"index": 1, "epoch": 1, "step": 1, "file": "weights/000001.safetensors", "bytes": %d, "sha256": %q}`+"\n", n, sum)} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, name)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			want := want
			if pipe {
				want = "a named pipe, not a regular file"
				if err := syscall.Mkfifo(path, 0o644); err != nil {
					t.Fatal(err)
				}
			} else {
				f, err := os.Create(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(f.Truncate(6<<30), f.Close()); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan error, 1)
			go func() {
				run, err := Open(dir, formats.Files{})
				if err == nil {
					_, err = run.Map(0, false)
				}
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Base(name)) {
					t.Errorf("%s, pipe %v: %v, expected %q", name, pipe, err, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s, pipe %v: hangs", name, pipe)
			}
		}
	}
}

// TestLinksInATrajectory: symbolic links in the place of its folders and files are not followed for writing, for
// removing, or for locking.
func TestLinksInATrajectory(t *testing.T) {
	outside := t.TempDir()
	victim := filepath.Join(outside, "000001.safetensors")
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{2}}})
	write := func(w io.Writer) error { return safetensors.Write(w, tensors, nil, make([]byte, 8)) }
	for _, to := range []string{outside, "../other", "."} {
		for name, use := range map[string]func(r *Recorder) error{
			weightsDir: func(r *Recorder) error {
				_, err := r.WriteFrom(Checkpoint{Epoch: 2, Step: 2}, write)
				return err
			},
			stateDir: func(r *Recorder) error { return r.WriteState(1, tensors, make([]byte, 8)) },
			"state/": func(r *Recorder) error { return r.DropStates(5) },
			linesFile: func(r *Recorder) error {
				return r.Commit(Checkpoint{Index: len(r.Checkpoints) + 1, Epoch: 9, Step: 9, File: "weights/000001.safetensors"})
			},
		} {
			if err := os.WriteFile(victim, []byte("safe"), 0o644); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "run")
			r, err := Create(dir, formats.Files{}, Meta{Run: "r"})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "..", "other"), 0o755); err != nil {
				t.Fatal(err)
			}
			at, to := filepath.Join(dir, strings.TrimSuffix(name, "/")), to
			if name == linesFile {
				to = victim
			}
			if err := errors.Join(os.RemoveAll(at), os.Symlink(to, at)); err != nil {
				t.Fatal(err)
			}
			if err := use(r); err == nil || !strings.Contains(err.Error(), "a symbolic link, which is not followed for writing") {
				t.Errorf("%s to %s: %v", name, to, err)
			}
			r.Close()
			if text, err := os.ReadFile(victim); err != nil || string(text) != "safe" {
				t.Errorf("%s to %s: the file outside holds %q, %v", name, to, text, err)
			}
			if name != linesFile {
				if _, err := Append(dir, formats.Files{}); err == nil || !strings.Contains(err.Error(), "a symbolic link") {
					t.Errorf("%s to %s: going on: %v", name, to, err)
				}
			}
		}
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, metaFile), []byte(goodMeta), 0o644), os.Symlink(victim, filepath.Join(dir, ".lock"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(dir, formats.Files{}); err == nil || !strings.Contains(err.Error(), "a symbolic link") {
		t.Errorf(".lock: %v", err)
	}
	if names, _ := os.ReadDir(outside); len(names) != 1 {
		t.Errorf("outside: %v", names)
	}
}

// FuzzTrajectory opens, seals and maps what anybody may have put into the two files of a trajectory.
func FuzzTrajectory(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "run")
	n, sum := weightsFile(f, dir)
	line := fmt.Sprintf(`{"index": 1, "epoch": 1, "step": 1, "file": "weights/000001.safetensors", "bytes": %d, "sha256": %q}`, n, sum)
	f.Add([]byte(goodMeta), []byte(line+"\n"))
	f.Add([]byte(`{"format": 1, "tied": {"a": "w"}, "shards": {"w": "x/model.safetensors"}, "devices": ["cuda:0"], "training": {}, "seed": -1}`),
		[]byte(`{"index": 1, "epoch": 0.5, "step": 0, "bytes": 9, "sha256": "`+sum+`", "link": {"path": "`+filepath.Join(dir, "weights", "000001.safetensors")+`", "key": "", "strict": true}, "metrics": {"val/loss": "NaN"}, "evaluations": {"k": null}}`+"\n"+
			`{"index": 2, "epoch": 2, "step": 3, "file": "weights/000002.safetensors", "bytes": 0, "sha256": "`+sum+`", "seconds": 1e300, "lr": -0}`+"\ntorn"))
	f.Fuzz(func(t *testing.T, meta, lines []byte) {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, metaFile), meta, 0o644), os.WriteFile(filepath.Join(dir, linesFile), lines, 0o644)); err != nil {
			t.Fatal(err)
		}
		run, err := Open(dir, formats.Files{})
		if err != nil {
			return
		}
		for i, c := range run.Checkpoints {
			if c.Index != i+1 {
				t.Fatalf("checkpoint %d has the index %d", i+1, c.Index)
			}
			_, _ = run.Tensors(i)
			if w, err := run.Map(i, true); err == nil {
				if w.Size != c.Bytes {
					t.Fatalf("%d bytes, recorded %d", w.Size, c.Bytes)
				}
				w.Close()
			}
			run.Checkpoints[i].SHA256 = "" // as of one that was not imported
			_ = run.Seal(context.Background(), []int{i}, false, nil)
		}
	})
}

// TestDiscardLeavesNothing: neither where the first line could not be written; a folder with the lines of a run that
// is gone is not taken for a new one.
func TestDiscardLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r, err := Create(dir, formats.Files{}, Meta{Run: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.WriteFrom(Checkpoint{Epoch: 1, Step: 1}, func(w io.Writer) error { return safetensors.Write(w, nil, nil, nil) }); err != nil {
		t.Fatal(err)
	}
	r.Discard()
	r.Close()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		names, _ := os.ReadDir(dir)
		t.Errorf("left: %v", names)
	}
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, linesFile), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, formats.Files{}, Meta{Run: "r"}); err == nil || !strings.Contains(err.Error(), "of another run") {
		t.Errorf("%v", err)
	}
}
