package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

const memoryHelp = "memory, such as 8GiB: within it every checkpoint is read once, a file larger than it is written piece by piece, and models and activations of a sweep take up to half of it (default: half of what is free)"

// parseMemory reads a number of bytes such as 8GiB or 500MB; "" is half of what is free.
func parseMemory(text string) (int64, error) {
	if text == "" {
		return freeMemory() / 2, nil
	}
	return parseBytes("--memory", text)
}

// parseBytes reads a number of bytes.
func parseBytes(flag, text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return 0, fmt.Errorf("%s %q: want a number of bytes such as 8GiB or 500MB", flag, text)
	}
	return int64(n), nil
}

// freeMemory is what can still be had: of the machine's memory, or of the container's. Where nothing says,
// it is 2 GiB.
func freeMemory() int64 {
	free := int64(2 << 30)
	if available, err := meminfo("MemAvailable"); err == nil {
		free = available
	}
	// Control groups, version 2: the file cache that a container holds is free, too.
	limit, err1 := readInt("/sys/fs/cgroup/memory.max")
	used, err2 := readInt("/sys/fs/cgroup/memory.current")
	if err1 == nil && err2 == nil {
		stat, _ := input.ReadFile("/sys/fs/cgroup/memory.stat", input.Text)
		for line := range strings.Lines(string(stat)) {
			if n, ok := strings.CutPrefix(line, "inactive_file "); ok {
				cached, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
				used -= cached
			}
		}
		free = min(free, max(0, limit-used))
	}
	return max(free, 2) // half of it is not 0, which would set no limit
}

func readInt(path string) (int64, error) {
	text, err := input.ReadFile(path, input.Text)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// meminfo is a line of /proc/meminfo, in bytes.
func meminfo(name string) (int64, error) {
	text, err := input.ReadFile("/proc/meminfo", input.Text)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("not there")
}
