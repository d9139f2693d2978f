package trajectory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
)

// record makes a trajectory of n checkpoints with two tensors, and returns its recorder.
func record(t *testing.T, n int) *Recorder {
	t.Helper()
	r, err := Create(filepath.Join(t.TempDir(), "run"), formats.Files{}, Meta{Run: "test", StepsPerEpoch: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	for i := range n {
		add(t, r, []checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{3}}, {Name: "n", DType: checkpoint.I64}}, float32(i))
	}
	return r
}

func add(t *testing.T, r *Recorder, tensors []checkpoint.Tensor, v float32) {
	t.Helper()
	tensors = checkpoint.Arrange(tensors)
	data := make([]byte, tensors[len(tensors)-1].End)
	for _, x := range tensors {
		if x.DType == checkpoint.F32 {
			for at := x.Begin; at < x.End; at += 4 {
				binary.LittleEndian.PutUint32(data[at:], math.Float32bits(v))
			}
		}
	}
	epoch := float64(len(r.Checkpoints) + 1)
	c, err := r.Write(Checkpoint{Epoch: epoch, Step: int64(epoch) * 10, Metrics: map[string]Number{"val/loss": Number(math.NaN())}}, tensors, data)
	if err == nil {
		err = r.Commit(c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordAndRead(t *testing.T) {
	r := record(t, 3)
	got, err := Open(r.Dir, formats.Files{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Checkpoints) != 3 || got.Meta.Run != "test" || len(got.Warnings) != 0 {
		t.Fatalf("%+v", got)
	}
	if v := got.Checkpoints[1].Metrics["val/loss"]; v == v {
		t.Errorf("a loss of NaN came back as %v", v)
	}
	for i := range got.Checkpoints {
		w, err := got.Map(i, false)
		if err != nil {
			t.Fatal(err)
		}
		x, ok := w.Tensor("w")
		if v := math.Float32frombits(binary.LittleEndian.Uint32(w.Data[x.Begin:])); !ok || v != float32(i) {
			t.Errorf("checkpoint %d holds %v", i, v)
		}
		w.Close()
	}
}

func TestOneRunAFolderAndOneWriter(t *testing.T) {
	r := record(t, 1)
	if _, err := Append(r.Dir, formats.Files{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer: %v", err)
	}
	r.Close()
	if _, err := Create(r.Dir, formats.Files{}, Meta{}); err == nil || !strings.Contains(err.Error(), "already holds a run") {
		t.Errorf("a second run: %v", err)
	}
	if _, err := Append(t.TempDir(), formats.Files{}); err == nil || !strings.Contains(err.Error(), "not a trajectory") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestTornLineIsPassedOver(t *testing.T) {
	r := record(t, 2)
	r.Close()
	lines := filepath.Join(r.Dir, linesFile)
	whole, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	// Torn at any byte of the last line, the first checkpoint stays, and recording goes on.
	first := strings.IndexByte(string(whole), '\n') + 1
	for cut := first; cut < len(whole); cut += 17 {
		if err := os.WriteFile(lines, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Open(r.Dir, formats.Files{})
		if err != nil || len(got.Checkpoints) != 1 || (len(got.Warnings) == 1) != (cut > first) {
			t.Fatalf("cut at %d: %+v, %v", cut, got, err)
		}
	}
	again, err := Append(r.Dir, formats.Files{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	add(t, again, []checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{3}}, {Name: "n", DType: checkpoint.I64}}, 9)
	if got, err := Open(r.Dir, formats.Files{}); err != nil || len(got.Checkpoints) != 2 || len(got.Warnings) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestDamageIsNamed(t *testing.T) {
	path := func(r *Recorder, i int) string { return filepath.Join(r.Dir, r.Checkpoints[i].File) }
	for name, c := range map[string]struct {
		harm func(t *testing.T, r *Recorder)
		want []string
	}{
		"missing":   {func(t *testing.T, r *Recorder) { os.Remove(path(r, 1)) }, []string{"epoch 2", "no such file"}},
		"truncated": {func(t *testing.T, r *Recorder) { os.Truncate(path(r, 1), r.Checkpoints[1].Bytes-3) }, []string{"epoch 2", "cut short"}},
		"altered": {func(t *testing.T, r *Recorder) {
			b, _ := os.ReadFile(path(r, 1))
			b[len(b)-1] ^= 1
			os.WriteFile(path(r, 1), b, 0o644)
		}, []string{"epoch 2", "altered"}},
		"another":  {func(t *testing.T, r *Recorder) { os.Rename(path(r, 0), path(r, 1)) }, []string{"epoch"}},
		"empty":    {func(t *testing.T, r *Recorder) { os.Truncate(path(r, 1), 0) }, []string{"epoch 2", "too short"}},
		"a folder": {func(t *testing.T, r *Recorder) { os.Remove(path(r, 1)); os.Mkdir(path(r, 1), 0o755) }, []string{"epoch 2", "not a regular file"}},
		"name":     {func(t *testing.T, r *Recorder) { replaceLast(t, r, "v", checkpoint.F32, 3, 0) }, []string{"epoch 2", "tensor w is missing"}},
		"shape":    {func(t *testing.T, r *Recorder) { replaceLast(t, r, "w", checkpoint.F32, 4, 0) }, []string{"epoch 2", "tensor w is F32[4], in the other checkpoints F32[3]"}},
		"type":     {func(t *testing.T, r *Recorder) { replaceLast(t, r, "w", checkpoint.F16, 3, 0) }, []string{"epoch 2", "tensor w is F16[3]"}},
		"NaN":      {func(t *testing.T, r *Recorder) { replaceLast(t, r, "w", checkpoint.F32, 3, float32(math.NaN())) }, []string{"epoch 2", "NaN or infinite values in w"}},
		"infinite": {func(t *testing.T, r *Recorder) { replaceLast(t, r, "w", checkpoint.F32, 3, float32(math.Inf(-1))) }, []string{"NaN or infinite values in w"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, 2)
			c.harm(t, r)
			got, err := Open(r.Dir, formats.Files{})
			if err != nil {
				t.Fatal(err)
			}
			var all []error
			for i := range got.Checkpoints {
				w, err := got.Map(i, false)
				if err == nil {
					w.Close()
				}
				all = append(all, err)
			}
			err = errors.Join(all...)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, expected … %s …", err, want)
				}
			}
		})
	}
}

// replaceLast rewrites the second checkpoint with another tensor, and its line to fit.
func replaceLast(t *testing.T, r *Recorder, name string, d checkpoint.DType, n int64, v float32) {
	t.Helper()
	r.Checkpoints = r.Checkpoints[:1]
	if err := r.rewriteLines(); err != nil {
		t.Fatal(err)
	}
	add(t, r, []checkpoint.Tensor{{Name: name, DType: d, Shape: []int64{n}}, {Name: "n", DType: checkpoint.I64}}, v)
}

func TestNonFiniteCanBeAllowed(t *testing.T) {
	r := record(t, 2)
	replaceLast(t, r, "w", checkpoint.F32, 3, float32(math.NaN()))
	w, err := r.Map(1, true)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

func TestLinesAreNotTrusted(t *testing.T) {
	for name, line := range map[string]string{
		"not JSON":       "x\n",
		"gap":            `{"index":2,"epoch":1,"step":1,"file":"a"}` + "\n",
		"outside":        `{"index":1,"epoch":1,"step":1,"file":"../../etc/passwd"}` + "\n",
		"absolute":       `{"index":1,"epoch":1,"step":1,"file":"/etc/passwd"}` + "\n",
		"not rising":     `{"index":1,"epoch":2,"step":2,"file":"a"}` + "\n" + `{"index":2,"epoch":2,"step":3,"file":"b"}` + "\n",
		"epoch a text":   `{"index":1,"epoch":"one","step":1,"file":"a"}` + "\n",
		"strange number": `{"index":1,"epoch":1,"step":1,"file":"a","metrics":{"x":"nun"}}` + "\n",
	} {
		r := record(t, 0)
		if err := os.WriteFile(filepath.Join(r.Dir, linesFile), []byte(line), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Open(r.Dir, formats.Files{}); err == nil {
			t.Errorf("%s: %+v", name, got.Checkpoints)
		}
	}
}

// A mapped file that shrinks raises SIGBUS, which must not end the program.
func TestShrinkingFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{1 << 20}}})
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(f, tensors, nil, make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	w, err := safetensors.Map(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := scan(w, newDigest(true)); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "shrank") {
		t.Errorf("reading it: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Guard swallowed a panic that was no fault")
		}
	}()
	_ = checkpoint.Guard(path, func() error { panic("another") })
}

// A file with a huge hole must neither be read nor take memory before its header is judged.
func TestSparseFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse.safetensors")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 5<<30); err != nil {
		t.Skip("no sparse files here")
	}
	if _, err := safetensors.Map(path); err == nil {
		t.Error("five gigabytes of nothing are a safetensors file")
	}
}

// TestLinksAreMapped: weights that are stored as they are need no copy, in several files neither; others do. The
// digest is the same by the map and by reading, and a file that shrinks under the map is an error.
func TestLinksAreMapped(t *testing.T) {
	for name, copied := range map[string]bool{"imagenet.pth.tar": false, "imagenet-legacy.pth.tar": false, "single.safetensors": false, "checkpoint-1500": false, "checkpoint-1600": false, "dcp": false, "dcp-2": true, "views.pt": true} {
		path := filepath.Join("..", "testdata", "foreign", name)
		w, err := mapOf(path)
		if err != nil {
			t.Fatal(err)
		}
		if w.Copied() != copied {
			t.Errorf("%s: copied %v, expected %v", name, w.Copied(), copied)
		}
		d := newDigest(true)
		if _, err := scan(w, d); err != nil {
			t.Fatal(err)
		}
		run, err := Linked(t.TempDir(), formats.Files{}, Meta{}, []Checkpoint{{Index: 1, Epoch: 1, Step: 1, Link: &Link{Path: path}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Seal(context.Background(), []int{0}, true, nil); err != nil {
			t.Fatal(err)
		}
		if have := run.Checkpoints[0]; have.SHA256 != d.SHA256() || have.XXH3 != d.XXH3() {
			t.Errorf("%s: digests %s, %s by the map, %s, %s by reading", name, d.SHA256(), d.XXH3(), have.SHA256, have.XXH3)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// 64 KiB of weights in the second of two shards.
	dir := t.TempDir()
	shard := func(file, tensor string, n int64) {
		f, err := os.Create(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := safetensors.Write(f, checkpoint.Arrange([]checkpoint.Tensor{{Name: tensor, DType: checkpoint.F32, Shape: []int64{n}}}), nil, make([]byte, 4*n)); err != nil {
			t.Fatal(err)
		}
	}
	shard("a.safetensors", "a", 3)
	shard("b.safetensors", "b", 1<<14)
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), []byte(`{"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := mapOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := os.Truncate(filepath.Join(dir, "b.safetensors"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := scan(w, newDigest(true)); err == nil || !strings.Contains(err.Error(), "shrank") {
		t.Errorf("a shard that shrank: %v", err)
	}
}

// Unknown is null and stays unknown; the zeros that imports of the first version wrote for it are unknown too,
// and a zero that is known stays one.
func TestUnknownIsNotZero(t *testing.T) {
	zero := 0.0
	write := func(meta Meta, c Checkpoint, without string) *Trajectory {
		dir := filepath.Join(t.TempDir(), "run")
		rec, err := Create(dir, formats.Files{}, meta)
		if err != nil {
			t.Fatal(err)
		}
		defer rec.Close()
		c.Epoch, c.Step = 1, 1
		if c, err = rec.Write(c, nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := rec.Commit(c); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, metaFile)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if without != "" {
			if !bytes.Contains(text, []byte(without)) {
				t.Fatalf("no %s in %s", without, text)
			}
			text = bytes.Replace(text, []byte(without), nil, 1)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		run, err := Open(dir, formats.Files{})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	const old = ",\n  \"unknown_is_null\": true"
	known := Checkpoint{Seconds: &zero, LR: &zero}
	for name, c := range map[string]struct {
		run  *Trajectory
		zero bool
	}{
		"not known":              {write(Meta{Software: "x (import)"}, Checkpoint{}, ""), false},
		"zeros that are known":   {write(Meta{Seed: new(int64(0)), Software: "x (import)"}, known, ""), true},
		"zeros of an old import": {write(Meta{Seed: new(int64(0)), Software: "x (import)"}, known, old), false},
		"zeros of an old run":    {write(Meta{Seed: new(int64(0)), Software: "x"}, known, old), true},
	} {
		one := c.run.Checkpoints[0]
		if seed := c.run.Meta.Seed; (seed != nil) != c.zero || (one.Seconds != nil) != c.zero || (one.LR != nil) != c.zero {
			t.Errorf("%s: seed %v, seconds %v, lr %v", name, seed, one.Seconds, one.LR)
		}
	}
	if run := write(Meta{StepsUnknown: true}, Checkpoint{}, ""); run.Step(0) != nil {
		t.Errorf("steps that only count the checkpoints: %d", *run.Step(0))
	}
}

// Which digest is compared: the fast one where it is recorded, SHA-256 where it is not or where that is asked for.
func TestDigests(t *testing.T) {
	for name, c := range map[string]struct {
		thorough bool
		change   func(*Checkpoint)
		fault    string // "" for none
	}{
		"both right":             {true, func(*Checkpoint) {}, ""},
		"XXH3 wrong":             {false, func(c *Checkpoint) { c.XXH3 = strings.Repeat("0", 32) }, "xxh3"},
		"SHA-256 wrong, fast":    {false, func(c *Checkpoint) { c.SHA256 = strings.Repeat("0", 64) }, ""},
		"SHA-256 wrong":          {true, func(c *Checkpoint) { c.SHA256 = strings.Repeat("0", 64) }, "sha256"},
		"XXH3 wrong, thorough":   {true, func(c *Checkpoint) { c.XXH3 = strings.Repeat("0", 32) }, "xxh3"},
		"no XXH3":                {false, func(c *Checkpoint) { c.XXH3 = "" }, ""},
		"no XXH3, SHA-256 wrong": {false, func(c *Checkpoint) { c.XXH3, c.SHA256 = "", strings.Repeat("0", 64) }, "sha256"},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		r, err := Create(dir, formats.Files{}, Meta{Run: "r"})
		if err != nil {
			t.Fatal(err)
		}
		tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{2}}})
		line, err := r.Write(Checkpoint{Epoch: 1, Step: 1}, tensors, make([]byte, 8))
		if err != nil {
			t.Fatal(err)
		}
		if len(line.XXH3) != 32 {
			t.Errorf("xxh3 %q", line.XXH3)
		}
		c.change(&line)
		if err := r.Commit(line); err != nil {
			t.Fatal(err)
		}
		r.Close()
		run, err := Open(dir, formats.Files{})
		if err != nil {
			t.Fatal(err)
		}
		if c.thorough {
			run.Thorough()
		}
		w, err := run.Map(0, false)
		if err == nil {
			w.Close()
		}
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault+" ") || !strings.Contains(err.Error(), "altered")) {
			t.Errorf("%s: error %v, expected %q", name, err, c.fault)
		}
	}
	// As xxhsum -H2 prints it.
	d := newDigest(false)
	d.Write([]byte("abc"))
	if d.XXH3() != "06b05ab6733a618578af5f94892f3950" {
		t.Errorf("XXH3 of abc is %s", d.XXH3())
	}
}

// A file that changes after its list was read is not read by that list.
func TestChangedAfterItsList(t *testing.T) {
	r := record(t, 1)
	path := filepath.Join(r.Dir, r.Checkpoints[0].File)
	own, err := Open(r.Dir, formats.Files{})
	if err != nil {
		t.Fatal(err)
	}
	links, err := Linked(t.TempDir(), formats.Files{}, Meta{}, []Checkpoint{{Index: 1, Epoch: 1, Step: 1, Bytes: r.Checkpoints[0].Bytes, Link: &Link{Path: path}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []*Trajectory{own, links} {
		if _, err := run.Tensors(0); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = errors.Join(os.WriteFile(path, data, 0o644), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Map(0, false); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "changed after the list") {
			t.Errorf("%v", err)
		}
	}
}

// mapOf maps a checkpoint of another program.
func mapOf(path string) (*checkpoint.Mapped, error) {
	c, err := formats.Open(path, checkpoint.Options{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Map()
}
