package evaluator

import (
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/model"
)

// torchvisionTensors are those of a network of so many classes, under a prefix.
func torchvisionTensors(t *testing.T, prefix, spec, classes string) []checkpoint.Tensor {
	t.Helper()
	net, err := model.New(spec + "in-channels=3,classes=" + classes)
	if err != nil {
		t.Fatal(err)
	}
	var out []checkpoint.Tensor
	for _, e := range net.Layout().Entries {
		dtype := checkpoint.F32
		if e.Role == model.Counter {
			dtype = checkpoint.I64
		}
		out = append(out, checkpoint.Tensor{Name: prefix + e.Name, DType: dtype, Shape: e.Shape})
	}
	return out
}

// Checkpoints of another number of classes are told so, not in terms of tensors; those of the network's, whatever it is called
// by, match.
func TestMatchClasses(t *testing.T) {
	net, err := model.New("resnext50_32x4d:in-channels=3,classes=10")
	if err != nil {
		t.Fatal(err)
	}
	same := torchvisionTensors(t, "module.", "resnet50:groups=32,width-per-group=4,", "10")
	if err := Match(net, same, nil); err != nil {
		t.Error(err)
	}
	for i := range same { // as github.com/kuangliu/pytorch-cifar calls them
		same[i].Name = strings.NewReplacer("fc.", "linear.", ".downsample.", ".shortcut.").Replace(same[i].Name)
	}
	if err := Match(net, same, nil); err != nil {
		t.Error(err)
	}
	for _, prefix := range []string{"", "module."} {
		err := Match(net, torchvisionTensors(t, prefix, "resnet50:groups=32,width-per-group=4,", "1000"), nil)
		if want := "the checkpoints are of 1000 classes (tensor " + prefix + "fc.weight), the network is of 10"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q: %v", want, err)
		}
	}
	err = Match(net, torchvisionTensors(t, "", "resnet50:", "10"), nil)
	if err == nil || !strings.Contains(err.Error(), "layer1.0.conv2.weight is F32[64 64 3 3], expected F32[128 4 3 3]") {
		t.Error(err)
	}
}

// Checkpoints may have a tied tensor once, by either name, or twice; then both must be the same.
func TestTiedNames(t *testing.T) {
	net, err := model.New("gpt2:layers=1,hidden=4,heads=1,vocab=5,positions=3")
	if err != nil {
		t.Fatal(err)
	}
	words, other := "transformer.wte.weight", "lm_head.weight"
	var once []checkpoint.Tensor
	data := make([]byte, 4096)
	at := int64(0)
	add := func(list []checkpoint.Tensor, name string, shape ...int64) []checkpoint.Tensor {
		n := 4 * checkpoint.Elements(shape)
		at += n
		return append(list, checkpoint.Tensor{Name: name, DType: checkpoint.F32, Shape: shape, Begin: at - n, End: at})
	}
	for _, e := range net.Layout().Entries {
		once = add(once, e.Name, e.Shape...)
	}
	twice := add(once, other, 5, 4)
	twice = add(twice, "transformer.h.0.attn.bias", 1, 1, 3, 3) // a mask that old versions wrote
	renamed := slices.Clone(once)
	renamed[slices.IndexFunc(renamed, func(c checkpoint.Tensor) bool { return c.Name == words })].Name = other
	for name, tensors := range map[string][]checkpoint.Tensor{"once": once, "twice": twice, "by the other name": renamed} {
		if err := Match(net, tensors, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := sameTied(net, named(tensors, nil), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	data[twice[len(once)].Begin] = 1
	if err := sameTied(net, named(twice, nil), data); err == nil || !strings.Contains(err.Error(), "lm_head.weight and transformer.wte.weight differ, and are one tensor of gpt2:") {
		t.Errorf("two values: %v", err)
	}
	if err := Match(net, add(once, "transformer.h.1.attn.c_attn.weight", 4, 12), nil); err == nil {
		t.Error("a second block is no fault")
	}
}
