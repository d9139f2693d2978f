package input

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOnlyRegularFiles: what is no regular file, or too large, is an error that says so, at once.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(at("pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, size := range map[string]int64{"sparse": 8 << 30, "small": 100} {
		f, err := os.Create(at(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.Symlink("pipe", at("link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		at("pipe"): "pipe: a named pipe, not a regular file", at("link"): "a named pipe", at("socket"): "socket", dir: "a folder, not a regular file",
		"/dev/zero": "a device", at("sparse"): "sparse: 8.0 GiB; at most 64 MiB are read", at("none"): "no such file",
	} {
		done := make(chan error, 1)
		go func() {
			_, err := ReadFile(path, Text)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, expected %q", path, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: reading it hangs", path)
		}
	}
	if data, err := ReadFile(at("small"), 100); err != nil || len(data) != 100 {
		t.Errorf("a file at the limit: %d bytes, %v", len(data), err)
	}
	if _, err := ReadFile("/proc/self/status", 10); err == nil || !strings.Contains(err.Error(), "more than 10 bytes") {
		t.Errorf("a file larger than its size: %v", err)
	}
	f, size, err := Open(at("sparse"), Any)
	if err != nil || size != 8<<30 {
		t.Errorf("any size: %d, %v", size, err)
	}
	f.Close()
}

func TestReadLine(t *testing.T) {
	r := bufio.NewReaderSize(strings.NewReader("one\n"+strings.Repeat("x", 99)+"\nlast"), 16)
	for _, want := range []int{4, 100} {
		if line, err := ReadLine(r, 100); err != nil || len(line) != want {
			t.Errorf("%q, %v: expected %d bytes", line, err, want)
		}
	}
	if line, err := ReadLine(r, 100); err != io.EOF || string(line) != "last" {
		t.Errorf("the torn line: %q, %v", line, err)
	}
	if _, err := ReadLine(bufio.NewReader(strings.NewReader("12345\n")), 5); !errors.Is(err, ErrLine) {
		t.Errorf("a line of six bytes where five are allowed: %v", err)
	}
}

func TestLocal(t *testing.T) {
	long := strings.Repeat("n", 256)
	for _, name := range []string{"a", "weights/000001.safetensors", "model-00001-of-00002.safetensors", "a..b/c", "..a", ".metadata", "öl/β.bin", "a b", long[1:]} {
		if err := Local(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../a", "a/../../b", "/etc/passwd", "//x", "a/../b", "./a", "a//b", "a/", "a\x00b", "a\nb", "\x1b[2J", `..\a`, `a\b`, "C:x", "C:/x",
		"a\xff", long, "a/" + long, strings.Repeat("a/", 600) + "b"} {
		if err := Local(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}
