package model

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// resident is this process's memory in bytes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc/self/status here")
	}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func TestMemoryDoesNotGrow(t *testing.T) {
	err := torch.Worker(1, false, func() error {
		net, err := New("resnet8:width=8,in-channels=3,classes=10")
		if err != nil {
			return err
		}
		images, err := torch.New[uint8](torch.CPU, 50, 3, 32, 32)
		if err != nil {
			return err
		}
		defer images.Free()
		evaluate := func() error {
			in, err := net.On(torch.CPU, Options{})
			if err != nil {
				return err
			}
			defer in.Free()
			if err := in.Weights().ResetStatistics(); err != nil {
				return err
			}
			var s torch.Scope
			defer s.Close()
			in.Forward(&s, []*Tensor{s.Normalize(images, 0, 50, []float32{0, 0, 0}, []float32{1, 1, 1})}, Evaluate)
			return s.Err()
		}
		before := 0
		for i := range 500 {
			if err := evaluate(); err != nil {
				return err
			}
			if i == 20 {
				before = resident(t)
			}
		}
		if grown := resident(t) - before; grown > 50<<20 {
			t.Errorf("500 evaluations left %d MB more in memory; at most 50 are allowed", grown>>20)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
