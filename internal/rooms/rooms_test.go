// Package rooms holds the test that keeps the arrows of docs/design.md: which package may import which.
package rooms

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "lawa-replay"

// may lists what each package may import of this module. What is not listed here does not belong.
var may = map[string][]string{
	"cmd/lawa-replay":        {"analysis", "averaging", "bn", "dataset", "evaluator", "evaluator/results", "evaluator/worker", "export", "importer", "internal/atomicfile", "internal/input", "internal/metric", "internal/spec", "internal/torch", "model", "plots", "trainer", "trajectory", "trajectory/safetensors"},
	"trajectory":             {"internal/atomicfile", "internal/input", "trajectory/foreign", "trajectory/safetensors"},
	"trajectory/foreign":     {"internal/input", "trajectory/pickle", "trajectory/safetensors"},
	"trajectory/pickle":      {},
	"importer":               {"internal/input", "trajectory", "trajectory/foreign", "trajectory/safetensors"},
	"trajectory/safetensors": {},
	"averaging":              {"internal/input", "internal/metric", "internal/spec", "trajectory", "trajectory/foreign", "trajectory/safetensors"},
	"bn":                     {"internal/spec"},
	"evaluator":              {"averaging", "bn", "dataset", "evaluator/results", "evaluator/worker", "internal/atomicfile", "internal/input", "internal/spec", "internal/torch", "model", "trajectory", "trajectory/safetensors"},
	"export":                 {"averaging", "bn", "internal/atomicfile", "internal/input", "internal/spec", "trajectory", "trajectory/foreign", "trajectory/safetensors"},
	"evaluator/results":      {"internal/atomicfile", "internal/input"},
	"evaluator/worker":       {"internal/input"},
	"model":                  {"internal/input", "internal/spec", "internal/torch"},
	"dataset":                {"internal/input", "internal/spec", "internal/torch", "trajectory", "trajectory/safetensors"},
	"trainer":                {"dataset", "internal/spec", "internal/torch", "model", "trajectory", "trajectory/safetensors"},
	"analysis":               {"evaluator/results", "internal/metric", "internal/spec", "trajectory"},
	"plots":                  {"analysis", "evaluator/results", "internal/atomicfile", "internal/spec", "trajectory"},
	"bench/average_sweep":    {"averaging", "trajectory"},
	"internal/torch":         {},
	"internal/spec":          {},
	"internal/metric":        {},
	"internal/atomicfile":    {},
	"internal/input":         {},
	"internal/rooms":         {},
}

// Only this package calls libtorch; all of these build without it.
const (
	torchRoom = "internal/torch"
	gotch     = "github.com/sugarme/gotch"
)

var withoutTorch = []string{"trajectory", "importer", "averaging", "bn", "export", "analysis", "plots", "evaluator/results", "evaluator/worker"}

func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); seen++ {
		var p struct {
			ImportPath    string
			Imports, Deps []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, known := may[room]
		if !known {
			t.Errorf("package %s has no place in the design: give it one here and in docs/design.md", room)
			continue
		}
		for _, i := range p.Imports {
			if other, ours := strings.CutPrefix(i, module+"/"); ours && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s: the arrows of docs/design.md do not go there", room, other)
			}
			if strings.HasPrefix(i, gotch) && room != torchRoom {
				t.Errorf("%s imports %s: only %s may", room, i, torchRoom)
			}
		}
		if slices.Contains(withoutTorch, room) && slices.ContainsFunc(p.Deps, func(d string) bool { return strings.HasPrefix(d, gotch) }) {
			t.Errorf("%s depends on libtorch", room)
		}
	}
	if seen != len(may) {
		t.Errorf("%d packages, %d in the design", seen, len(may))
	}
}

// The verbs that start at once do so because libtorch is not in their program.
func TestQuickIsWithoutLibtorch(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "quick", "-deps", module+"/cmd/lawa-replay").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if !strings.Contains(string(out), module+"/averaging") || strings.Contains(string(out), gotch) {
		t.Error("the quick build has libtorch in it, or not the averages")
	}
}
