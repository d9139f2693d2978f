package formats

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
)

// A folder that is one checkpoint is opened as its model's file is, and says what was taken.
func TestOpenFolders(t *testing.T) {
	for file, beside := range map[string]string{"model.pth": "optimizer.pth", "net.pth": "optim.pt", "unet/diffusion_pytorch_model.bin": "optimizer.bin"} {
		dir := t.TempDir()
		for name, data := range map[string][]byte{file: read(t, "bare-2.pt"), beside: read(t, "two.pt")} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		c, err := openAll(dir, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Tensors()) != 8 || !strings.Contains(c.About().Within, filepath.Base(file)) || c.About().Path != dir {
			t.Errorf("%s: %d tensors, %q", file, len(c.Tensors()), c.About().Within)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"generator.pth", "discriminator.pth"} {
		if err := os.WriteFile(filepath.Join(dir, name), read(t, "bare-2.pt"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, checkpoint.Options{}); err == nil || strings.Count(err.Error(), dir) != 1 || !strings.Contains(err.Error(), "discriminator.pth, generator.pth") {
		t.Errorf("two models: %v", err)
	}
	var none *folder.NotOne
	if _, _, err := folder.Within(dir); !errors.As(err, &none) || !slices.Equal(none.Files, []string{"discriminator.pth", "generator.pth"}) {
		t.Errorf("%v", err)
	}
}
