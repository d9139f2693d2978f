package sweep

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

func numberedEvaluation(i int) Evaluation {
	return Evaluation{Inputs{Format: InputsFormat, Task: "classification", Model: fmt.Sprint("m", i)}, []Value{{"loss", 1, 2, int64(i)}}, 0.5}
}

// storeOf is a store in dir, and what it had to say.
func storeOf(t *testing.T, dir string) (*Store, *[]string) {
	t.Helper()
	var notes []string
	s, err := OpenStore(dir, func(n Note) { notes = append(notes, n.Text) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, &notes
}

// filled makes a store of n evaluations, and gives its segment.
func filled(t *testing.T, n int) (dir, path string, data []byte) {
	t.Helper()
	dir = t.TempDir()
	s, _ := storeOf(t, dir)
	for i := range n {
		if err := s.Put(numberedEvaluation(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "segment-000001.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return dir, path, data
}

// holds says which of n evaluations a store has; all that it has must be right.
func holds(t *testing.T, s *Store, n int) (out string) {
	t.Helper()
	for i := range n {
		want := numberedEvaluation(i)
		values, ok, err := s.Get(want.Inputs.Key())
		if err != nil || ok && values[0] != want.Values[0] {
			t.Fatalf("evaluation %d: %+v, %v", i, values, err)
		}
		if ok {
			out += fmt.Sprint(i)
		}
	}
	return out
}

func TestStore(t *testing.T) {
	dir, _, _ := filled(t, 3)
	s, notes := storeOf(t, dir)
	if have := holds(t, s, 5); have != "012" || len(*notes) > 0 {
		t.Errorf("holds %s, %v", have, *notes)
	}
	for _, i := range []int{3, 4} {
		s.segments.End(0, false) // the next goes into a segment of its own
		if err := s.Put(numberedEvaluation(i)); err != nil {
			t.Fatal(err)
		}
	}
	if have := holds(t, s, 5); have != "01234" {
		t.Errorf("holds %s before it is closed", have)
	}
	s.Close()
	again, notes := storeOf(t, dir)
	if have := holds(t, again, 5); have != "01234" || len(*notes) > 0 {
		t.Errorf("holds %s, %v", have, *notes)
	}
	if paths, _ := input.List(dir, segmentPattern); len(paths) != 3 {
		t.Errorf("segments %v", paths)
	}
}

// A kill or a power cut at any byte of the last record loses that record alone; the next one takes its place.
func TestStoreTorn(t *testing.T) {
	dir, path, data := filled(t, 3)
	last := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	for cut := last; cut < len(data); cut++ {
		if err := os.WriteFile(path, data[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		s, notes := storeOf(t, dir)
		if have := holds(t, s, 4); have != "01" || (cut > last) != (len(*notes) == 1 && strings.Contains((*notes)[0], "torn")) {
			t.Fatalf("cut at byte %d: holds %s, %v", cut, have, *notes)
		}
		if err := s.Put(numberedEvaluation(3)); err != nil {
			t.Fatal(err)
		}
		s.Close()
		again, notes := storeOf(t, dir)
		if have := holds(t, again, 4); have != "013" || len(*notes) > 0 {
			t.Fatalf("cut at byte %d, and one put: holds %s, %v", cut, have, *notes)
		}
		again.Close()
	}
}

// A changed byte is never believed: the record is passed over, with a note, and the others are kept.
func TestStoreDamaged(t *testing.T) {
	dir, path, data := filled(t, 3)
	first := bytes.IndexByte(data, '\n')
	second := first + 1 + bytes.IndexByte(data[first+1:], '\n')
	for at := first + 1; at <= second; at++ {
		for _, mask := range []byte{0x01, 0x80, data[at] ^ '\n'} {
			b := bytes.Clone(data)
			if b[at] ^= mask; mask == 0 {
				continue
			}
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			want := "02"
			if at == second {
				want = "0" // a line end: two records are one
			}
			s, notes := storeOf(t, dir)
			if have := holds(t, s, 3); have != want || len(*notes) != 1 || !strings.Contains((*notes)[0], fmt.Sprintf("at byte %d", first+1)) {
				t.Fatalf("byte %d: holds %s, %v", at, have, *notes)
			}
			s.Close()
		}
	}
	// What is put again takes the place of the damaged one.
	s, _ := storeOf(t, dir)
	if err := s.Put(numberedEvaluation(1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	again, _ := storeOf(t, dir)
	if have := holds(t, again, 3); !strings.Contains(have, "1") {
		t.Errorf("holds %s", have)
	}
}

// A file whose numbers were changed together with their checksum does not pass for another's.
func TestStoreChecksInputs(t *testing.T) {
	dir, path, _ := filled(t, 1)
	line, err := newRecord(numberedEvaluation(0).Inputs.Key(), numberedEvaluation(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, line, 0o644); err != nil {
		t.Fatal(err)
	}
	s, _ := storeOf(t, dir)
	if _, _, err := s.Get(numberedEvaluation(0).Inputs.Key()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

// Nothing that lies in a store makes it hang or follow a link out of it.
func TestStoreOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "segment-000001.jsonl")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := OpenStore(dir, func(Note) {})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), pipe) {
			t.Errorf("a pipe: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a pipe: it waits")
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(pipe), os.Symlink(other, pipe)); err != nil {
		t.Fatal(err)
	}
	s, _ := storeOf(t, dir)
	if err := s.Put(numberedEvaluation(0)); err == nil {
		t.Error("a link was followed for writing")
	}
	if text, err := os.ReadFile(other); err != nil || len(text) > 0 {
		t.Errorf("%q, %v", text, err)
	}
}

// Evaluations as older versions kept them are told of, not used and not touched.
func TestStoreOfAnOlderVersion(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "ab", "ab"+strings.Repeat("0", 62)+".json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(old), 0o755), os.WriteFile(old, []byte("{}"), 0o644)); err != nil {
		t.Fatal(err)
	}
	_, notes := storeOf(t, dir)
	if len(*notes) != 1 || !strings.Contains((*notes)[0], "1 evaluations of an older version") {
		t.Errorf("%v", *notes)
	}
	if _, err := os.Stat(old); err != nil {
		t.Error(err)
	}
}

// What is in an average is written down once, and can be read back by its digest.
func TestAveragesAreKeptOnce(t *testing.T) {
	dir := t.TempDir()
	run := longRun(t, 6)
	all := []averaging.Coefficients{
		{Indices: []int{0, 1, 3}, Weights: []float64{1, 1, 1}, Norm: 3},
		{Indices: []int{2, 3}, Weights: []float64{0.25, 0.5}, Norm: 0.75},
	}
	names := averages(run.Checkpoints, all, rounding{})
	for _, wanted := range []int{0, 2, 2} { // the first alone, then both, then again
		s, notes := storeOf(t, dir)
		if err := s.KeepAverages(run, names, all, func(i int) bool { return i < max(1, wanted) }); err != nil || len(*notes) > 0 {
			t.Fatal(err, *notes)
		}
		s.Close()
	}
	var have []string
	paths, _ := input.List(dir, averagesPattern)
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, strings.Split(strings.TrimSpace(string(text)), "\n")[1:]...)
		f.Close()
	}
	want := []string{
		fmt.Sprintf(`{"average":"%s","norm":3,"checkpoints":[[1,2],[4,4]],"weights":[1]}`, names[0].Digest),
		fmt.Sprintf(`{"average":"%s","norm":0.75,"checkpoints":[[3,4]],"weights":[0.25,0.5]}`, names[1].Digest),
	}
	if !slices.Equal(have, want) {
		t.Errorf("%q, expected %q", have, want)
	}
	// A file cut short counts for what can be read of it.
	data, err := os.ReadFile(paths[1])
	if err == nil {
		err = os.WriteFile(paths[1], data[:len(data)/2], 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, notes := storeOf(t, dir)
	if err := s.KeepAverages(run, names, all, func(int) bool { return true }); err != nil || len(*notes) != 1 {
		t.Errorf("%v, %v", err, *notes)
	}
}
