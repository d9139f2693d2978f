package importer

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

const fixtures = "../testdata/foreign"

// place puts copies of a fixture under the given names into a folder.
func place(t testing.TB, fixture string, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(fixtures, fixture))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var defaults = Options{}

// offset is an Options.EpochOffset.
func offset(v float64) *float64 { return &v }

// understood lists base names with their epochs and steps, in order.
func understood(t *testing.T, dir string, o Options) ([]string, []float64, []int64, *Understood) {
	t.Helper()
	u, err := Understand([]string{dir}, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var epochs []float64
	var steps []int64
	for _, c := range u.Checkpoints {
		abs, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(abs, c.Source)
		if err != nil {
			t.Fatal(err)
		}
		names, epochs, steps = append(names, rel), append(epochs, c.Epoch), append(steps, c.Step)
	}
	return names, epochs, steps, u
}

// TestNumbers: what names in use say, in the order of numbers and not of text.
func TestNumbers(t *testing.T) {
	for about, c := range map[string]struct {
		fixture string
		names   []string // as they should be ordered
		o       Options
		epochs  []float64
		steps   []int64 // nil: not known
		note    string
	}{
		"epoch_N":            {"bare-2.pt", []string{"epoch_2.pt", "epoch_9.pt", "epoch_10.pt"}, defaults, []float64{2, 9, 10}, nil, ""},
		"steps too":          {"bare-2.pt", []string{"epoch2-step20.pt", "epoch10-step100.pt"}, defaults, []float64{2, 10}, []int64{20, 100}, ""},
		"Lightning":          {"bare-2.pt", []string{"epoch=0-step=50.ckpt", "epoch=9-step=500.ckpt"}, defaults, []float64{1, 10}, []int64{50, 500}, "1 is added"},
		"Lightning, said":    {"bare-2.pt", []string{"epoch=1-step=50.ckpt", "epoch=9-step=500.ckpt"}, Options{EpochOffset: offset(0)}, []float64{1, 9}, []int64{50, 500}, ""},
		"from 0":             {"bare-2.pt", []string{"epoch_0.pt", "epoch_1.pt"}, defaults, []float64{0, 1}, nil, "before training"},
		"fairseq":            {"bare-2.pt", []string{"checkpoint2.pt", "checkpoint12.pt"}, defaults, []float64{2, 12}, nil, ""},
		"fairseq, within":    {"bare-2.pt", []string{"checkpoint_1_500.pt", "checkpoint_1_1000.pt"}, Options{StepsPerEpoch: 1000}, []float64{0.5, 1}, []int64{500, 1000}, ""},
		"checkpoint-N":       {"single.safetensors", []string{"checkpoint-500/model.safetensors", "checkpoint-5000/model.safetensors"}, Options{StepsPerEpoch: 500}, []float64{1, 10}, []int64{500, 5000}, ""},
		"checkpoint-N alone": {"single.safetensors", []string{"checkpoint-500/model.safetensors", "checkpoint-5000/model.safetensors"}, defaults, []float64{1, 2}, []int64{500, 5000}, "counted 1, 2, 3"},
		"N of M":             {"bare-2.pt", []string{"model-00002-of-00090.pt", "model-00012-of-00090.pt"}, defaults, []float64{2, 12}, nil, "taken for epochs"},
		"a number alone":     {"bare-2.pt", []string{"ckpt9.pth.tar", "ckpt10.pth.tar"}, defaults, []float64{9, 10}, nil, "taken for epochs"},
		"in a folder":        {"bare-2.pt", []string{"epoch_3/weights.pt", "epoch_20/weights.pt"}, defaults, []float64{3, 20}, nil, ""},
		"with others":        {"bare-2.pt", []string{"epoch_1.pt", "epoch_2.pt"}, defaults, []float64{1, 2}, nil, ""},
		"pattern of epochs":  {"bare-2.pt", []string{"r50_7_e.pt", "r50_30_e.pt"}, Options{Pattern: "r50_{epoch}_*"}, []float64{7, 30}, nil, ""},
		"pattern of steps":   {"bare-2.pt", []string{"s100/w.pt", "s2000/w.pt"}, Options{Pattern: "s{step}/w.pt", StepsPerEpoch: 100}, []float64{1, 20}, []int64{100, 2000}, ""},
		"inside, of one":     {"imagenet.pth.tar", []string{"model.pt"}, defaults, []float64{3}, nil, ""},
		"inside, said":       {"imagenet.pth.tar", []string{"epoch_8.pt"}, Options{Numbers: "inside"}, []float64{3}, nil, ""},
		"another inside":     {"imagenet.pth.tar", []string{"epoch_8.pt"}, defaults, []float64{8}, nil, "says epoch 3 inside"},
		"offset":             {"bare-2.pt", []string{"epoch_0.pt", "epoch_1.pt"}, Options{EpochOffset: offset(1)}, []float64{1, 2}, nil, ""},
	} {
		t.Run(about, func(t *testing.T) {
			dir := place(t, c.fixture, c.names...)
			if about == "with others" {
				for _, name := range []string{"best.pt", "last.pt", "val.safetensors", "notes.txt"} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			names, epochs, steps, u := understood(t, dir, c.o)
			for i := range names {
				if filepath.Base(names[i]) == "model.safetensors" {
					names[i] = filepath.ToSlash(names[i])
				}
			}
			want := slices.Clone(c.names)
			for i, n := range want {
				if strings.HasSuffix(n, "/model.safetensors") {
					want[i] = filepath.Dir(n)
				}
			}
			if !slices.Equal(names, want) || !slices.Equal(epochs, c.epochs) {
				t.Errorf("%v are of epochs %v, expected %v of %v", names, epochs, want, c.epochs)
			}
			if u.StepsUnknown != (c.steps == nil) || c.steps != nil && !slices.Equal(steps, c.steps) {
				t.Errorf("steps %v (unknown: %v), expected %v", steps, u.StepsUnknown, c.steps)
			}
			if notes := notesOf(u, "\n"); c.note == "" && notes != "" && about != "with others" || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q, expected …%s…", notes, c.note)
			}
		})
	}
}

// What cannot be told is asked for.
func TestRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		fixture string
		names   []string
		o       Options
	}{
		"--pattern says where":            {"bare-2.pt", []string{"a.pt", "b.pt"}, defaults},
		"matches none of the names":       {"bare-2.pt", []string{"epoch_1.pt"}, Options{Pattern: "run_{epoch}.pt"}},
		"want {epoch} or {step}":          {"bare-2.pt", []string{"epoch_1.pt"}, Options{Pattern: "epoch_*.pt"}},
		"want name or inside":             {"bare-2.pt", []string{"epoch_1.pt"}, Options{Numbers: "names"}},
		"no checkpoints in":               {"bare-2.pt", nil, defaults},
		"none of its 1 rows is of an epo": {"bare-2.pt", []string{"epoch_1.pt"}, Options{Log: "../testdata/foreign/log.csv"}},
	} {
		dir := place(t, c.fixture, c.names...)
		if c.o.Log != "" {
			c.o.Log = filepath.Join(dir, "log.csv")
			if err := os.WriteFile(c.o.Log, []byte("epoch,loss\n7,1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Understand([]string{dir}, c.o); err == nil || !strings.Contains(spoken(err), want) {
			t.Errorf("%v: %v, expected …%s…", c.names, err, want)
		}
	}
	// Checkpoints of two networks.
	dir := place(t, "bare-2.pt", "epoch_1.pt")
	data, err := os.ReadFile(filepath.Join(fixtures, "views.pt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "epoch_2.pt"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Understand([]string{dir}, defaults); err == nil || !strings.Contains(err.Error(), "epoch_2.pt") || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("two networks: %v", err)
	}
}

func TestTrainerState(t *testing.T) {
	_, epochs, steps, u := understood(t, filepath.Join(fixtures, "checkpoint-1500"), defaults)
	c := u.Checkpoints[0]
	if epochs[0] != 2.5 || steps[0] != 1500 || u.StepsPerEpoch != 600 || *c.LR != 0.01 || c.Metrics["train/loss"] != 1.5 || c.Metrics["val/loss"] != 1.75 {
		t.Errorf("epoch %v, step %v, %d a epoch, lr %v, %v", epochs, steps, u.StepsPerEpoch, *c.LR, c.Metrics)
	}
}

func TestLog(t *testing.T) {
	for name, text := range map[string]string{
		"log.csv":   "epoch, train_loss, valid_acc, lr, seconds\n1,0.5,70,0.1,10\n2,0.25,NaN,0.05,20\n",
		"log.jsonl": `{"epoch": 1, "train/loss": 0.5, "val/acc": 70, "learning_rate": 0.1, "elapsed": 10}` + "\n\n" + `{"epoch": 2, "train/loss": 0.25, "val/acc": "NaN", "learning_rate": 0.05, "elapsed": 20, "note": "x"}` + "\n",
	} {
		dir := place(t, "bare-2.pt", "epoch_1.pt", "epoch_2.pt", "epoch_3.pt")
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		o := defaults
		o.Log = path
		_, _, _, u := understood(t, dir, o)
		a, b := u.Checkpoints[0], u.Checkpoints[1]
		if a.Metrics["train/loss"] != 0.5 || a.Metrics["val/top1"] != 70 || *a.LR != 0.1 || *a.Seconds != 10 || b.Metrics["train/loss"] != 0.25 || *b.Seconds != 20 || len(u.Checkpoints[2].Metrics) != 0 {
			t.Errorf("%s: %+v, %+v", name, a.Checkpoint, b.Checkpoint)
		}
		if !strings.Contains(notesOf(u, ""), "rows for 2 of 3") {
			t.Errorf("%s: notes %v", name, u.Notes)
		}
	}
	for text, want := range map[string]string{"": "empty", "a,b\n1,2\n": "epoch or step", "epoch,loss\n1,2,3\n2,3,4\n": "line 3 has 3 fields", "{\"epoch\":1}\n{": "record 2", "\xff\xfee\x00": "UTF-16"} {
		if _, err := parseLog(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected …%s…", text, err, want)
		}
	}
}

// TestCopiedAndLinked: the same digests, the same bytes, and a linked checkpoint that is changed afterwards is found.
func TestCopiedAndLinked(t *testing.T) {
	ctx := context.Background()
	for _, fixture := range []string{"imagenet.pth.tar", "imagenet-legacy.pth.tar", "views.pt", "kinds-legacy.pt", "single.safetensors", "tied.pt"} {
		dir := place(t, fixture, "epoch_1"+filepath.Ext(fixture), "epoch_2"+filepath.Ext(fixture))
		_, _, _, u := understood(t, dir, defaults)
		runs := map[bool]*trajectory.Recorder{}
		for _, link := range []bool{false, true} {
			r, err := trajectory.Create(filepath.Join(t.TempDir(), "run"), formats.Files{}, u.Meta(trajectory.Meta{Run: "run"}))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var layout []checkpoint.Tensor
			for _, f := range u.Checkpoints {
				if took, err := Add(ctx, r, u, f, &layout, link); err != nil || !took {
					t.Fatalf("%s: %v, %v", fixture, took, err)
				}
			}
			if took, err := Add(ctx, r, u, u.Checkpoints[0], &layout, link); err != nil || took {
				t.Errorf("%s: a checkpoint was taken twice (%v)", fixture, err)
			}
			runs[link] = r
		}
		for i := range 2 {
			a, err := runs[false].Map(i, true)
			if err != nil {
				t.Fatal(err)
			}
			b, err := runs[true].Map(i, true)
			if err != nil {
				t.Fatalf("%s, linked: %v", fixture, err)
			}
			if x, y := runs[false].Checkpoints[i].SHA256, runs[true].Checkpoints[i].SHA256; x != y {
				t.Errorf("%s: digests %s copied, %s linked", fixture, x, y)
			}
			for _, x := range a.Tensors {
				y, ok := b.Tensor(x.Name)
				if !ok || !slices.Equal(a.Data[x.Begin:x.End], b.Data[y.Begin:y.End]) {
					t.Errorf("%s: tensor %s differs", fixture, x.Name)
				}
			}
			a.Close()
			b.Close()
		}
		// Changed weights under the same size.
		path := u.Checkpoints[1].Source
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		w, err := runs[false].Map(1, true)
		if err != nil {
			t.Fatal(err)
		}
		x := slices.MaxFunc(w.Tensors, func(a, b checkpoint.Tensor) int { return int(a.Elements() - b.Elements()) })
		at := strings.Index(string(data), string(w.Data[x.Begin:x.End]))
		w.Close()
		if at < 0 {
			continue // stored in another order
		}
		data[at] ^= 1
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := trajectory.Open(runs[true].Dir, formats.Files{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Map(1, true); err == nil || !strings.Contains(err.Error(), "altered") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: a changed file passes: %v", fixture, err)
		}
	}
}

// TestWatch: checkpoints are taken as they appear, each once, in order, and none while it is being written.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(filepath.Join(fixtures, "imagenet.pth.tar"))
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "run")
	took := make(chan Found, 10)
	var notes []hint.Note
	waiting := make(chan struct{}, 10)
	w := &Watcher{Dir: dir, Options: defaults, Interval: 10 * time.Millisecond, Count: 3, Took: func(f Found) { took <- f }, Note: func(n hint.Note) {
		if notes = append(notes, n); strings.Contains(n.Text, "waiting for a checkpoint that can be read") {
			waiting <- struct{}{}
		}
	},
		Open: func(u *Understood) (*trajectory.Recorder, error) {
			if trajectory.Exists(out) {
				return trajectory.Append(out, formats.Files{})
			}
			return trajectory.Create(out, formats.Files{}, u.Meta(trajectory.Meta{Run: "run"}))
		}}
	done := make(chan error, 1)
	go func() { done <- w.Run(context.Background()) }()
	next := func() Found {
		select {
		case f := <-took:
			return f
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		case <-time.After(20 * time.Second):
			t.Fatal("no checkpoint was taken")
		}
		panic("unreachable")
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("epoch_1.pt", whole)
	if f := next(); f.Epoch != 1 {
		t.Errorf("epoch %g came first", f.Epoch)
	}
	write("epoch_2.pt", whole[:len(whole)/2]) // stays so for many looks
	select {
	case f := <-took:
		t.Fatalf("half a file was taken: %+v", f)
	case <-waiting:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is said of a file that cannot be read")
	}
	write("epoch_2.pt", whole)
	if f := next(); f.Epoch != 2 {
		t.Errorf("epoch %g came second", f.Epoch)
	}
	write("epoch_3.pt", whole)
	next()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// Again over the same folder, with one more: only that is taken, and an older one is left out.
	write("epoch_4.pt", whole)
	write("epoch_0.pt", whole)
	w.Count = 4
	if err := w.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	run, err := trajectory.Open(out, formats.Files{})
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Checkpoints) != 4 || run.Checkpoints[3].Epoch != 4 {
		t.Errorf("%d checkpoints", len(run.Checkpoints))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.Count = 0
	if err := w.Run(ctx); err != context.Canceled {
		t.Errorf("interrupted: %v", err)
	}
	w.Idle = 30 * time.Millisecond
	if err := w.Run(context.Background()); err != nil {
		t.Errorf("idle: %v", err)
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte("epoch,loss\n1,0.5\n"))
	f.Add([]byte("{\"epoch\": 1, \"loss\": 0.5}\n"))
	f.Add([]byte("# x\nepoch phase loss\n1 val 0.5%\n"))
	f.Add([]byte(`{"1": {"val": {"loss": 2}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if log, err := parseLog(strings.NewReader(string(data))); err == nil {
			log.understand()
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"epoch_1.pt", "checkpoint-500", "epoch=3-step=40.ckpt", "model-00012-of-00090.pt", "best_87.pt", "step_1,000_1e-3.pt", "01-02-2024_netEpoch3.pt"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if parseName(s, false); natural(s, s) != 0 {
			t.Errorf("%q does not equal itself", s)
		}
	})
}

// spoken is an error with its hints, as the command spells them.
func spoken(err error) string {
	if err == nil {
		return ""
	}
	return hint.Text(err.Error(), hint.All(err), func(option string) string { return "--" + option })
}

// notesOf are the notes, as the command tells them.
func notesOf(u *Understood, between string) string {
	var all []string
	for _, n := range u.Notes {
		all = append(all, spoken(n.Err()))
	}
	return strings.Join(all, between)
}
