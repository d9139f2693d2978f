package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

func images(channels int64, classes int) []dataset.Field {
	return []dataset.Field{{Name: dataset.Inputs, Shape: []int64{channels, 32, 32}}, {Name: dataset.Targets, Classes: classes}}
}

func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if err := k.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestResNetNamesAndSizes(t *testing.T) {
	// He et al. 2015, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million parameters.
	for name, want := range map[string]int64{"resnet20": 269722, "resnet32": 464154, "resnet44": 658586, "resnet56": 853018, "resnet110": 1727962} {
		n, err := New(name, images(3, 10)...)
		if err != nil {
			t.Fatal(err)
		}
		if n.Layout().Parameters() != want {
			t.Errorf("%s: %d parameters, expected %d", name, n.Layout().Parameters(), want)
		}
	}
	n, err := New("resnet8:width=8,stem-stride=2,shortcut=B", images(1, 10)...)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range n.Layout().Entries {
		names = append(names, e.Name)
	}
	for _, want := range []string{"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer3.0.downsample.1.num_batches_tracked", "fc.bias"} {
		if !slices.Contains(names, want) {
			t.Errorf("no tensor %s", want)
		}
	}
	again, err := New(n.Spec(), dataset.Field{Name: dataset.Inputs}) // data that do not say
	if err != nil || again.Spec() != n.Spec() {
		t.Errorf("%s read again is %v, %v", n.Spec(), again, err)
	}
	for want, fields := range map[string][]dataset.Field{"10 classes, and the data have 100": images(1, 100), "1 channels, and the data have 3": images(3, 10)} {
		if _, err := New(n.Spec(), fields...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q: %v", want, err)
		}
	}
}

func TestResNetRefuses(t *testing.T) {
	// These are the names of other networks, to everyone.
	for _, spec := range []string{"resnet38", "resnet26", "resnet200"} {
		if n, err := New(spec, images(3, 10)...); err == nil || !strings.Contains(err.Error(), "there are resnet8, ") || len(hint.All(err)) != 1 || strings.Contains(err.Error(), "mean") {
			t.Errorf("%s: made %T, %v", spec, n, err)
		}
	}
	for _, spec := range []string{"resnet9", "resnet", "resnet8:width=0", "resnet8:wdith=8", "vgg16", "resnet8:shortcut=C", "resnet-4", "resnet8:width=8,width=9", "resnet34:groups=2", "resnet18:width-per-group=128", "resnet50:stem=imagnet", "resnet50:groups=0"} {
		if n, err := New(spec, images(3, 10)...); err == nil {
			t.Errorf("%s: made %s", spec, n.Spec())
		}
	}
}
