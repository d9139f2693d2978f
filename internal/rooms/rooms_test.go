// Package rooms holds the test that keeps the arrows of docs/design.md: which package may import which.
package rooms

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lawa-replay/lawa-replay"

// may lists what each package may import of this module. What is not listed here does not belong.
var may = map[string][]string{
	"cmd/lawa-replay":        {"checkpoint", "analysis", "averaging", "bn", "dataset", "evaluator", "results", "evaluator/worker", "export", "importer", "internal/atomicfile", "internal/input", "results/metric", "internal/spec", "internal/torch", "model", "plots", "trainer", "trajectory", "checkpoint/formats", "internal/hint"},
	"trajectory":             {"checkpoint", "internal/atomicfile", "internal/hint", "internal/input"},
	"checkpoint":             {"internal/input"},
	"checkpoint/stored":      {"checkpoint", "internal/hint", "internal/input"},
	"checkpoint/rebuild":     {"checkpoint", "checkpoint/pickle", "checkpoint/stored"},
	"checkpoint/statedict":   {"checkpoint", "checkpoint/pickle", "checkpoint/rebuild", "checkpoint/stored", "internal/hint"},
	"checkpoint/folder":      {"checkpoint"},
	"checkpoint/other":       {"checkpoint", "checkpoint/folder"},
	"checkpoint/pytorch":     {"checkpoint", "checkpoint/other", "checkpoint/pickle", "checkpoint/rebuild", "checkpoint/statedict", "checkpoint/stored", "internal/hint", "internal/input"},
	"checkpoint/dcp":         {"checkpoint", "checkpoint/folder", "checkpoint/pickle", "checkpoint/pytorch", "checkpoint/rebuild", "checkpoint/statedict", "checkpoint/stored", "internal/input"},
	"checkpoint/shards":      {"checkpoint", "checkpoint/folder", "checkpoint/stored", "internal/input"},
	"checkpoint/formats":     {"checkpoint", "checkpoint/dcp", "checkpoint/folder", "checkpoint/other", "checkpoint/pytorch", "checkpoint/safetensors", "checkpoint/shards", "checkpoint/statedict", "checkpoint/stored", "internal/input"},
	"checkpoint/pickle":      {},
	"importer":               {"checkpoint", "checkpoint/folder", "checkpoint/formats", "checkpoint/other", "checkpoint/safetensors", "checkpoint/stored", "internal/hint", "internal/input", "trajectory"},
	"checkpoint/safetensors": {"checkpoint", "checkpoint/stored", "internal/input"},
	"averaging":              {"checkpoint", "internal/input", "results/metric", "internal/spec", "trajectory"},
	"bn":                     {"checkpoint", "internal/spec"},
	"evaluator":              {"checkpoint", "averaging", "bn", "dataset", "results", "evaluator/worker", "internal/atomicfile", "internal/input", "internal/spec", "internal/torch", "model", "trajectory"},
	"export":                 {"checkpoint", "averaging", "bn", "internal/atomicfile", "internal/input", "internal/spec", "trajectory", "checkpoint/safetensors", "checkpoint/formats", "checkpoint/pytorch"},
	"results":                {"internal/atomicfile", "internal/input"},
	"evaluator/worker":       {"internal/input"},
	"model":                  {"bn", "internal/input", "internal/spec", "internal/torch"},
	"dataset":                {"checkpoint", "internal/input", "internal/spec", "internal/torch", "trajectory", "checkpoint/safetensors"},
	"trainer":                {"checkpoint", "dataset", "internal/spec", "internal/torch", "model", "trajectory", "checkpoint/safetensors"},
	"analysis":               {"results", "results/metric", "internal/spec", "trajectory"},
	"plots":                  {"analysis", "results", "internal/atomicfile", "internal/spec", "trajectory"},
	"bench/average_sweep":    {"averaging", "trajectory", "checkpoint/formats"},
	"internal/torch":         {},
	"internal/spec":          {},
	"internal/hint":          {},
	"results/metric":         {},
	"internal/atomicfile":    {},
	"internal/input":         {},
	"internal/rooms":         {},
}

// everywhere is what all may import.
var everywhere = []string{"internal/hint"}

// Only this package calls libtorch; all of these build without it.
const (
	torchRoom = "internal/torch"
	gotch     = "github.com/sugarme/gotch"
)

var withoutTorch = []string{"checkpoint", "checkpoint/formats", "trajectory", "importer", "averaging", "bn", "export", "analysis", "plots", "results", "evaluator/worker"}

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
			if other, ours := strings.CutPrefix(i, module+"/"); ours && !slices.Contains(allowed, other) && !slices.Contains(everywhere, other) {
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
