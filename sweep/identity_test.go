package sweep

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/trajectory"
)

func TestFoldersTellRunsApart(t *testing.T) {
	for _, c := range []struct{ dirs, want []string }{
		{[]string{"/x/run"}, []string{"run"}},
		{[]string{"/x/s1/run", "/x/s2/run"}, []string{"s1/run", "s2/run"}},
		{[]string{"/a/b/run", "/c/b/run", "/c/other"}, []string{"a/b/run", "c/b/run", "other"}},
		{[]string{"/run", "/a/run"}, []string{"/run", "a/run"}},
	} {
		if got, err := Folders(c.dirs); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, %v", c.dirs, got, err)
		}
	}
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if got, err := Folders([]string{dir, filepath.Join(dir, "link")}); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("a folder and a link to it: %v, %v", got, err)
	}
}

// Two runs are seeds of one another only where nothing else that is known of them differs.
func TestConfigIsAllButTheSeed(t *testing.T) {
	lr := 0.1
	run := func(training string, change func(*trajectory.Trajectory)) string {
		one := &trajectory.Trajectory{Meta: trajectory.Meta{Run: "a", Seed: new(int64(1)), Model: "m", Data: "d", BatchSize: 5, Training: json.RawMessage(training)},
			Checkpoints: []trajectory.Checkpoint{{Epoch: 1, LR: &lr}}}
		if change != nil {
			change(one)
		}
		return config(one)
	}
	base := run(`{"seed":1,"lr":0.1}`, nil)
	for name, other := range map[string]string{
		"seed":    run(`{"lr":0.1,"seed":2}`, func(t *trajectory.Trajectory) { t.Meta.Seed = nil }),
		"name":    run(`{"seed":1,"lr":0.1}`, func(t *trajectory.Trajectory) { t.Meta.Run = "b" }),
		"devices": run(`{"seed":1,"lr":0.1}`, func(t *trajectory.Trajectory) { t.Meta.Devices = []string{"cuda:0"} }),
	} {
		if other != base {
			t.Errorf("another %s: %s and %s", name, base, other)
		}
	}
	imported := run(``, nil)
	for name, other := range map[string]string{
		"rate":           run(`{"seed":1,"lr":0.05}`, nil),
		"data":           run(`{"seed":1,"lr":0.1}`, func(t *trajectory.Trajectory) { t.Meta.Data = "e" }),
		"batch size":     run(`{"seed":1,"lr":0.1}`, func(t *trajectory.Trajectory) { t.Meta.BatchSize = 6 }),
		"settings":       imported,
		"null settings":  run(`null`, nil),
		"steps an epoch": run(`{"seed":1,"lr":0.1}`, func(t *trajectory.Trajectory) { t.Meta.StepsPerEpoch = 6 }),
	} {
		if other == base {
			t.Errorf("another %s: both are %s", name, base)
		}
	}
	if !strings.Contains(imported, `"training":null`) || !strings.Contains(imported, `"logged_peak_lr":0.1`) {
		t.Errorf("imported: %s", imported)
	}
}
