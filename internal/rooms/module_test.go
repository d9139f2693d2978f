package rooms

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The packages can be imported by a module of one's own, without libtorch, as the README says.
func TestAnotherModule(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, from := range map[string]string{"main.go": "testdata/other/main.go", "go.sum": "../../go.sum"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(name, text)
	}
	write("go.mod", []byte("module example.com/other\n\ngo 1.26.0\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n"))
	c := exec.Command("go", "run", "-mod=mod", ".", dir)
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "26 evaluations") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, name := range []string{"k.svg", "k.csv"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
