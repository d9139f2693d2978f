package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lawa-replay/trajectory/foreign"
)

// endings are those of files that may be checkpoints.
var endings = []string{".pt", ".pth", ".th", ".tar", ".ckpt", ".bin", ".safetensors", ".pkl"}

func isFile(name string) bool {
	return slices.Contains(endings, strings.ToLower(filepath.Ext(name))) && !strings.HasPrefix(name, ".")
}

// find lists the checkpoints that paths name, in their natural order.
func find(paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() || foreign.IsCheckpoint(path) {
			out = append(out, path)
			continue
		}
		found, err := within(path)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%w in %s: no files ending in %s, and no folders with model.safetensors or .metadata", ErrNoCheckpoints, path, strings.Join(endings, ", "))
		}
		out = append(out, found...)
	}
	slices.SortStableFunc(out, natural)
	return slices.Compact(out), nil
}

// within lists the checkpoints in a folder: files, folders that are one, and folders that hold one file.
func within(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows links
		switch {
		case err != nil || strings.HasPrefix(e.Name(), "."):
		case !info.IsDir():
			if isFile(e.Name()) {
				out = append(out, path)
			}
		case foreign.IsCheckpoint(path):
			out = append(out, path)
		default:
			below, err := os.ReadDir(path)
			if err != nil {
				return nil, err
			}
			var files []string
			for _, b := range below {
				if b.Type().IsRegular() && isFile(b.Name()) {
					files = append(files, filepath.Join(path, b.Name()))
				}
			}
			if len(files) == 1 {
				out = append(out, files[0])
			}
		}
	}
	return out, nil
}

// natural compares names with the numbers in them as numbers: epoch_9 comes before epoch_10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, restA, numA := chunk(a)
		y, restB, numB := chunk(b)
		if numA && numB {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return len(a) - len(b)
}

// chunk cuts off the digits at the front, or what comes before the first ones.
func chunk(s string) (head, rest string, number bool) {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	number = digit(s[0])
	i := 1
	for i < len(s) && digit(s[i]) == number {
		i++
	}
	return s[:i], s[i:], number
}
