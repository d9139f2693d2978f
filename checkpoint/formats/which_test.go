package formats

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// said is an error with its hints, as the command spells them.
func said(err error) string {
	if err == nil {
		return ""
	}
	return hint.Text(err.Error(), hint.All(err), func(option string) string { return "--" + option })
}

// TestAsked: of several state dicts none is taken; the error lists them with what is known of each.
func TestAsked(t *testing.T) {
	for file, wants := range map[string][]string{
		"two.pt":         {"state_dict (8 tensors, raw weights)", "state_dict_ema (8 tensors, EMA)", "--key says which"},
		"mmengine.pth":   {"state_dict (8 tensors, EMA)", "ema_state_dict (9 tensors, raw weights)", "MMEngine's EMAHook"},
		"averaging.ckpt": {"state_dict (8 tensors, average)", "current_model_state (8 tensors, raw weights)", "Lightning's WeightAveraging"},
		"parts.pt":       {"encoder (1 tensors), decoder (1 tensors)", "--key encoder,decoder"},
		"nested.pt":      {"model.encoder (1 tensors), model.decoder (1 tensors)", "--key model  takes all in it"},
	} {
		_, err := Open(filepath.Join(fixtures, file), checkpoint.Options{})
		for _, want := range wants {
			if err == nil || !strings.Contains(said(err), want) {
				t.Errorf("%s: %v, expected …%s…", file, err, want)
			}
		}
	}
	// Two averages of one model are not two parts of it.
	path := filepath.Join(fixtures, "two.pt")
	if _, err := Open(path, checkpoint.Options{Key: "state_dict,state_dict_ema"}); err != nil {
		t.Errorf("what is asked for is taken: %v", err)
	}
	if c, err := Open(path, checkpoint.Options{Key: "state_dict"}); err != nil || c.About().Weights != checkpoint.Raw || !strings.Contains(c.About().WeightsWhy, "state_dict_ema") {
		t.Errorf("%q, %v", c.About().Weights, err)
	}
}

// TestUnread: tensors without plain bytes are named, with what they are, and can be left out.
func TestUnread(t *testing.T) {
	for _, c := range []struct {
		file, want string
		o          checkpoint.Options
	}{
		{"skip.pt", "tensor lap: it is a sparse tensor, which is not read (--skip lap leaves it out)", checkpoint.Options{}},
		{"skip.pt", "tensor q.weight: it is quantised", checkpoint.Options{Skip: []string{"lap"}}},
		{"dtensor.pt", "tensor a.weight: it is a DTensor: one process's share", checkpoint.Options{}},
		{"bare-2.pt", "no tensor's name begins with modle.; they begin with conv1., bn1., fc.", checkpoint.Options{Strip: []string{"modle."}}},
		{"bare-2.pt", "no tensor of it is left", checkpoint.Options{Skip: []string{"*"}}},
		{"bare-2.pt", `pattern of names "["`, checkpoint.Options{Skip: []string{"["}}},
		{"bare-2.pt", "--max-pickle", checkpoint.Options{MaxPickle: 500}},
		{"bare-legacy-2.pt", "--max-pickle", checkpoint.Options{MaxPickle: 500}},
		{"arrays-2.pkl", "--max-pickle", checkpoint.Options{MaxPickle: 500}},
		{"arrays-2.pt", "", checkpoint.Options{Strict: true}},
		{"state.pkl", "", checkpoint.Options{Strict: true}},
	} {
		_, err := openAll(filepath.Join(fixtures, c.file), c.o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(said(err), c.want)) {
			t.Errorf("%s: %v, expected …%s…", c.file, err, c.want)
		}
	}
	c, err := openAll(filepath.Join(fixtures, "bare-2.pt"), checkpoint.Options{Skip: []string{"fc.bias", "head.*"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Tensors()) != 7 || !slices.Contains(c.About().Notes, "left out, as fc.bias: fc.bias") || !slices.Contains(c.About().Notes, "nothing is left out: no tensor is called head.*") {
		t.Errorf("%d tensors, notes %q", len(c.Tensors()), c.About().Notes)
	}
}

// Tensors that are tied in one checkpoint and stored twice in another have one layout when they are untied.
func TestApart(t *testing.T) {
	open := func(name string, o checkpoint.Options) *stored.Checkpoint {
		c, err := openStored(filepath.Join(fixtures, name), o)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	both := []checkpoint.Checkpoint{open("tie-1.pt", checkpoint.Options{}), open("tie-2.pt", checkpoint.Options{})}
	apart := stored.Apart(both)
	if !slices.Equal(apart, []string{"b"}) {
		t.Fatalf("tied in one and stored apart in the other are %q", apart)
	}
	c := open("tie-1.pt", checkpoint.Options{Untie: apart})
	defer c.Close()
	have := content(t, c)
	if len(c.Tied()) != 0 || len(have) != 2 || string(have["a"]) != string(have["b"]) {
		t.Errorf("tied %v, tensors %v", c.Tied(), c.Tensors())
	}
	if stored.Apart(both[:1]) != nil || stored.Apart(both[1:]) != nil {
		t.Error("checkpoints that agree are untied")
	}
}
