package atomicfile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Started again with these set, the test program writes files into a folder until it is killed.
const (
	writerDir   = "LAWA_TEST_WRITER_DIR"
	writerNamed = "LAWA_TEST_WRITER_NAMED"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		if os.Getenv(writerNamed) != "" {
			onlyNamed()
		}
		writeForever(dir)
	}
	os.Exit(m.Run())
}

// onlyNamed makes this process take file systems for ones without O_TMPFILE.
func onlyNamed() {
	d, _ := os.Open(os.Getenv(writerDir))
	namelessOn.Store(deviceOf(d), false)
	d.Close()
}

func writeForever(dir string) {
	fmt.Println("ready")
	for i := 0; ; i++ {
		err := Write(filepath.Join(dir, fmt.Sprint("f", i%4)), func(w io.Writer) error {
			for range 64 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
	}
}

// startWriter starts the test program as a writer, and waits until it writes.
func startWriter(t *testing.T, dir string, named bool) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerDir+"="+dir)
	if named {
		cmd.Env = append(cmd.Env, writerNamed+"=1")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	return func() {
		_ = cmd.Process.Kill()
		for lines.Scan() { // what it printed beside "ready"
			t.Errorf("a writer: %s", lines.Text())
		}
		_ = cmd.Wait()
	}
}

func temporaries(t *testing.T, dir string) (found []string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".tmp") {
			found = append(found, n.Name())
		}
	}
	return found
}

// TestKilledWriters: after kills the next writer removes what they left, and nothing that a living one writes. Files
// have their whole size throughout.
func TestKilledWriters(t *testing.T) {
	for _, named := range []bool{false, true} {
		t.Run(fmt.Sprint("named=", named), func(t *testing.T) {
			dir := t.TempDir()
			living := startWriter(t, dir, named) // which must never miss its file
			var killed sync.WaitGroup
			for i := range 6 {
				killed.Go(func() {
					kill := startWriter(t, dir, named)
					time.Sleep(time.Duration(5+7*i) * time.Millisecond)
					kill()
				})
			}
			killed.Wait()
			living()
			cleaned.Clear()
			if err := WriteBytes(filepath.Join(dir, "last"), nil); err != nil {
				t.Fatal(err)
			}
			if left := temporaries(t, dir); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			for i := range 4 {
				info, err := os.Stat(filepath.Join(dir, fmt.Sprint("f", i)))
				if err == nil && info.Size() != 4<<20 {
					t.Errorf("%s has %d bytes", info.Name(), info.Size())
				}
			}
		})
	}
}

// TestLeftovers: what is locked, and what is called otherwise or is no file, stays.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	name := func(i int) string { return fmt.Sprintf(".lawa-replay.%016x.tmp", i) }
	for _, n := range []string{name(1), name(2), ".someone.elses.tmp", ".w.123.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, name(3))); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, name(2)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := tryLock(f); err != nil {
		t.Fatal(err)
	}
	cleaned.Clear()
	if err := WriteBytes(filepath.Join(dir, "new"), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(temporaries(t, dir)), fmt.Sprint([]string{name(2), name(3), ".someone.elses.tmp", ".w.123.tmp"}); got != want {
		t.Errorf("left %s, expected %s", got, want)
	}
}

// TestTempDir: a folder stays while its owner lives, whatever its process id, and goes with the next one after.
func TestTempDir(t *testing.T) {
	root := t.TempDir()
	one, remove, err := TempDir(root, "own.")
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(root, "own.killed")
	if err := os.MkdirAll(filepath.Join(left, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "other.x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "other.x"), filepath.Join(root, "own.link")); err != nil {
		t.Fatal(err)
	}
	two, remove2, err := TempDir(root, "own.")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{one: true, two: true, left: false, filepath.Join(root, "other.x"): true, filepath.Join(root, "own.link"): true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, expected %v", path, err == nil, want)
		}
	}
	remove()
	remove2()
	if names, _ := os.ReadDir(root); len(names) != 2 {
		t.Errorf("left: %v", names)
	}
}

// TestLinksBelowAreNotFollowed: neither for writing nor for removing, wherever in the path they stand.
func TestLinksBelowAreNotFollowed(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("safe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"out": outside, "file": victim, "inner": "."} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	empty := func(io.Writer) error { return nil }
	sure := func() error { return nil }
	for what, err := range map[string]error{
		"writing below a link":       WriteBelow(root, "out/victim", empty, sure),
		"writing below a link of it": WriteBelow(root, "inner/x", empty, sure),
		"writing deep below a link":  WriteBelow(root, "out/a/b", empty, sure),
		"writing outside":            WriteBelow(root, "../victim", empty, sure),
		"removing below a link":      RemoveBelow(root, "out/victim"),
		"a folder below a link":      MkdirBelow(root, "out/new"),
		"leftovers below a link":     RemoveLeftovers(root, "out"),
		"a link to a file": func() error {
			f, err := OpenBelow(root, "file")
			if err == nil {
				f.Close()
			}
			return err
		}(),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if err := WriteBelow(root, "file", empty, sure); err != nil { // in place of the link
		t.Error(err)
	}
	if err := RemoveBelow(root, "out"); err != nil { // the link itself
		t.Error(err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "safe" {
		t.Errorf("the file outside holds %q, %v", text, err)
	}
	if names, _ := os.ReadDir(outside); len(names) != 1 {
		t.Errorf("outside: %v", names)
	}
}
