package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// run is a trajectory of checkpoints with these tensors.
func run(t *testing.T, checkpoints int, tensors ...checkpoint.Tensor) *trajectory.Trajectory {
	t.Helper()
	dir := t.TempDir()
	tensors = checkpoint.Arrange(tensors)
	data := make([]byte, tensors[len(tensors)-1].End)
	var lines []trajectory.Checkpoint
	for i := range checkpoints {
		for at := 0; at+4 <= len(data); at += 4 {
			binary.LittleEndian.PutUint32(data[at:], math.Float32bits(1+float32((at/4*31+i*i*977)%1009)))
		}
		var file bytes.Buffer
		if err := safetensors.Write(&file, tensors, nil, data); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%d.safetensors", i)
		if err := os.WriteFile(filepath.Join(dir, name), file.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(file.Bytes())
		lines = append(lines, trajectory.Checkpoint{Index: i + 1, Epoch: float64(i + 1), Step: int64(i + 1), File: name, Bytes: int64(file.Len()), SHA256: hex.EncodeToString(sum[:])})
	}
	r, err := trajectory.Linked(dir, formats.Files{}, trajectory.Meta{Run: "r", Tied: map[string]string{"head": "a"}}, lines, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// anonymous is the memory of this process that no file stands behind, in bytes.
func anonymous() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

// An average larger than the memory it may take is written within it, and the files are those that are written
// with more.
func TestLargerThanMemory(t *testing.T) {
	const size = 64 << 20
	r := run(t, 3, checkpoint.Tensor{Name: "a", DType: checkpoint.F32, Shape: []int64{size / 4 / 2}}, checkpoint.Tensor{Name: "b", DType: checkpoint.F32, Shape: []int64{3, 5}},
		checkpoint.Tensor{Name: "c", DType: checkpoint.F32, Shape: []int64{size / 4 / 2}}, checkpoint.Tensor{Name: "n", DType: "I64", Shape: []int64{}})
	scheme, err := averaging.Parse("lawa:k=3")
	if err != nil {
		t.Fatal(err)
	}
	write := func(format Format, memory int64) (files map[string][]byte, peak int64) {
		dir := t.TempDir()
		name := "avg." + string(format)
		if format == Sharded {
			name = indexName
		}
		e := &Export{Trajectory: r, Schemes: []averaging.Scheme{scheme}, Endpoints: []int{2}, Format: format, ShardSize: size / 2, Memory: memory,
			Path: func(averaging.Scheme, int) string { return filepath.Join(dir, name) }}
		before := anonymous()
		var most atomic.Int64
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				most.Store(max(most.Load(), anonymous()))
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
		if err := e.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		close(stop)
		<-done
		files = map[string][]byte{}
		paths, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(path)] = text
		}
		return files, most.Load() - before
	}
	for _, format := range []Format{Safetensors, PT, Sharded} {
		have, peak := write(format, 16<<20)
		if before := anonymous(); before > 0 && peak > 24<<20 {
			t.Errorf("%s: %d MiB of memory within a budget of 16 MiB", format, peak>>20)
		}
		want, _ := write(format, 0)
		if len(have) != len(want) || len(want) == 0 {
			t.Errorf("%s: %d files, expected %d", format, len(have), len(want))
		}
		for name := range want {
			if !bytes.Equal(have[name], want[name]) {
				t.Errorf("%s: %s is another file with little memory", format, name)
			}
		}
	}
}

// A checkpoint that is not what was recorded leaves no file, written piece by piece or at once.
func TestLargerThanMemoryVerifies(t *testing.T) {
	r := run(t, 2, checkpoint.Tensor{Name: "a", DType: checkpoint.F32, Shape: []int64{100000}})
	r.Checkpoints[0].SHA256 = strings.Repeat("0", 64)
	scheme, err := averaging.Parse("lawa:k=2")
	if err != nil {
		t.Fatal(err)
	}
	for _, memory := range []int64{1, 0} {
		dir := t.TempDir()
		e := &Export{Trajectory: r, Schemes: []averaging.Scheme{scheme}, Endpoints: []int{1}, Memory: memory, Path: func(averaging.Scheme, int) string { return filepath.Join(dir, "a.safetensors") }}
		if err := e.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "altered") {
			t.Errorf("error %v", err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	}
}
