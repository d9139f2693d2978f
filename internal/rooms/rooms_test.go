// Package rooms holds the test that keeps the arrows of docs/design.md: which package may import which.
package rooms

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lawa-replay/lawa-replay"

// may lists what each package may import of this module. What is not listed here does not belong.
var may = map[string][]string{
	"cmd/lawa-replay":        {"analysis", "averaging", "bn", "checkpoint", "checkpoint/formats", "dataset", "dataset/device", "evaluator", "evaluator/task", "evaluator/worker", "export", "importer", "internal/atomicfile", "internal/hint", "internal/input", "internal/spec", "internal/torch", "model", "optim", "optim/schedule", "plots", "recipes", "report", "results", "results/examples", "results/metric", "sweep", "tokenizer", "trainer", "trajectory"},
	"tokenizer":              {"internal/input"},
	"recipes":                {"internal/input", "internal/spec"},
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
	"averaging":              {"checkpoint", "internal/hint", "internal/input", "internal/spec", "results/metric", "trajectory"},
	"bn":                     {"checkpoint", "internal/spec"},
	"sweep":                  {"averaging", "bn", "checkpoint", "internal/atomicfile", "internal/hint", "internal/input", "internal/segments", "results", "results/examples", "results/metric", "trajectory"},
	"evaluator":              {"bn", "checkpoint", "dataset", "dataset/device", "evaluator/task", "internal/hint", "internal/torch", "model", "results/examples", "results/metric", "sweep", "trajectory"},
	"evaluator/task":         {"checkpoint", "dataset", "dataset/device", "internal/spec", "internal/torch", "results/examples", "results/metric"},
	"export":                 {"averaging", "bn", "checkpoint", "checkpoint/formats", "checkpoint/pytorch", "checkpoint/safetensors", "internal/atomicfile", "internal/hint", "internal/input", "internal/spec", "trajectory"},
	"results":                {"internal/atomicfile", "internal/input", "results/metric"},
	"evaluator/worker":       {"bn", "checkpoint", "internal/atomicfile", "internal/input", "results/examples", "results/metric", "sweep", "trajectory"},
	"model":                  {"bn", "checkpoint", "dataset", "internal/hint", "internal/input", "internal/spec", "internal/torch"},
	"dataset":                {"checkpoint", "checkpoint/pickle", "checkpoint/rebuild", "checkpoint/safetensors", "dataset/picture", "internal/atomicfile", "internal/hint", "internal/input", "internal/spec", "tokenizer"},
	"optim":                  {"internal/spec", "internal/torch"},
	"optim/schedule":         {"internal/spec"},
	"trainer":                {"checkpoint", "dataset", "dataset/device", "evaluator/task", "internal/torch", "model", "optim", "optim/schedule", "trajectory"},
	"dataset/picture":        {},
	"dataset/device":         {"checkpoint", "dataset", "internal/torch"},
	"analysis/paired":        {},
	"analysis":               {"analysis/paired", "internal/hint", "internal/spec", "results", "results/examples", "results/metric", "trajectory"},
	"plots":                  {"analysis", "analysis/paired", "internal/atomicfile", "internal/hint", "internal/spec", "results", "results/examples", "results/metric", "trajectory"},
	"report":                 {"analysis", "plots", "results", "results/examples", "results/metric", "trajectory"},
	"bench/average_sweep":    {"averaging", "checkpoint/formats", "trajectory"},
	"bench/until":            {"averaging", "bn", "checkpoint", "checkpoint/formats", "checkpoint/safetensors", "internal/atomicfile", "results", "results/examples", "results/metric", "sweep", "trajectory"},
	"internal/torch":         {"internal/spec"},
	"internal/spec":          {},
	"internal/hint":          {},
	"results/metric":         {},
	"results/examples":       {"internal/hint", "internal/input", "internal/segments", "results/metric"},
	"internal/segments":      {"internal/atomicfile", "internal/input"},
	"internal/atomicfile":    {},
	"internal/input":         {},
	"internal/rooms":         {},
	"internal/fits":          {},
}

// everywhere is what all may import.
var everywhere = []string{"internal/hint"}

// Only this package calls libtorch; all of these build without it.
const (
	torchRoom = "internal/torch"
	gotch     = "github.com/sugarme/gotch"
)

var withoutTorch = []string{"checkpoint", "trajectory", "importer", "averaging", "bn", "export", "analysis", "analysis/paired", "plots", "report", "results", "results/examples", "sweep", "evaluator/worker", "checkpoint/formats", "dataset", "dataset/picture", "optim/schedule", "recipes", "tokenizer"}

func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,TestImports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	design, err := os.ReadFile("../../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); seen++ {
		var p struct {
			ImportPath    string
			Imports, Deps []string
			TestImports   []string
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
		row := room
		if strings.HasPrefix(room, "bench/") {
			row = "bench"
		}
		if room != "internal/rooms" && !strings.Contains(string(design), "`"+row+"`") {
			t.Errorf("package %s has no row in docs/design.md", room)
		}
		for _, i := range p.TestImports {
			if room == "internal/fits" && strings.HasPrefix(i, module+"/internal/") {
				t.Errorf("the test of %s imports %s, which another module cannot", room, i)
			}
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
