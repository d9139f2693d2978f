package importer

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// TestUnreadableBeside: a file beside a checkpoint that cannot be read is passed over, which is said.
func TestUnreadableBeside(t *testing.T) {
	for want, make := range map[string]func(path string) error{
		"trainer_state.json is passed over: a named pipe, not a regular file": func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"trainer_state.json is passed over: invalid character":                func(path string) error { return os.WriteFile(path, []byte("{epoch: 3}"), 0o644) },
		"trainer_state.json is passed over: 100 MiB; at most 64 MiB are read": func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(100 << 20)
		},
	} {
		dir := filepath.Join(t.TempDir(), "checkpoint-3")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		header, err := checkpoint.EncodeHeader(checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{1}}}), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), append(header, 0, 0, 0, 0), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := make(filepath.Join(dir, "trainer_state.json")); err != nil {
			t.Fatal(err)
		}
		u, err := Understand([]string{dir}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if notes := notesOf(u, "\n"); !strings.Contains(notes, want) {
			t.Errorf("%s\nexpected %q", notes, want)
		}
	}
}
