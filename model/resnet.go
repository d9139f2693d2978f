package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// depths are those of the CIFAR networks that go by the name resnetN: those of the paper and two smaller ones.
// Other N, though there may be an n with 6n+2 = N, are the names of other networks.
var depths = []int{8, 14, 20, 32, 44, 56, 110, 1202}

// newResNet builds the residual networks for CIFAR of He, Zhang, Ren, Sun, "Deep Residual Learning for
// Image Recognition" (arXiv 1512.03385), §4.2: a 3×3 convolution, three stages of n blocks with width, 2·width and
// 4·width channels (16, 32, 64 in the paper), global average pooling, one classifier: 6n+2 layers.
//
//	width=16        channels of the first stage
//	stem-stride=1   stride of the first convolution
//	shortcut=A      where the size changes: A takes every second pixel and pads with zero channels (no
//	                parameters; §4.2), B projects with a 1×1 convolution and batch norm (downsample.0, .1)
//	in-channels, classes   those of the data
func newResNet(s *spec.Spec, channels, classes int) (Network, error) {
	depth, err := strconv.Atoi(strings.TrimPrefix(s.Name, "resnet"))
	if err != nil || !strings.HasPrefix(s.Name, "resnet") || !slices.Contains(depths, depth) {
		var known []string
		for _, d := range depths {
			known = append(known, fmt.Sprintf("resnet%d", d))
		}
		if err == nil && strings.HasPrefix(s.Name, "resnet") {
			// No nearest one: who says resnet50 does not mean resnet56.
			return nil, fmt.Errorf("network %q: there are %s, the residual networks for CIFAR; any other is taken as a TorchScript module (--model net.ts)", s.Name, strings.Join(known, ", "))
		}
		return nil, fmt.Errorf("%w; any other is taken as a TorchScript module (--model net.ts)", spec.Unknown("network", s.Name, known))
	}
	width, stride := s.Int("width", 16, 1), s.Int("stem-stride", 1, 1)
	channels, classes = s.Int("in-channels", channels, 1), s.Int("classes", classes, 2)
	shortcut := s.Choice("shortcut", "A", "A", "B")
	if err := s.Done(); err != nil {
		return nil, err
	}
	net := Sequential{{"", ConvNormAct{Conv{In: channels, Out: width, Kernel: 3, Stride: stride, Padding: 1}, [2]string{"conv1", "bn1"}, true}}}
	in := width
	for stage := range 3 {
		out := width << stage
		for i := range (depth - 2) / 6 {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			net = append(net, Child{fmt.Sprintf("layer%d.%d", stage+1, i), basicBlock(in, out, stride, shortcut)})
			in = out
		}
	}
	net = append(net, Child{"", GlobalAvgPool{}}, Child{"fc", Linear{In: in, Out: classes}})
	canonical := fmt.Sprintf("resnet%d:width=%d,stem-stride=%d,shortcut=%s,in-channels=%d,classes=%d", depth, width, stride, shortcut, channels, classes)
	tree := NewTree(canonical, net, dataset.Field{Name: "inputs", DType: checkpoint.F32, Shape: []int64{int64(channels), -1, -1}})
	// github.com/akamaster/pytorch_resnet_cifar10 and github.com/kuangliu/pytorch-cifar
	tree.aliases = [][2]string{{"fc.", "linear."}, {".downsample.", ".shortcut."}}
	return tree, nil
}

// basicBlock is two 3×3 convolutions with batch norm, and a shortcut around them.
func basicBlock(in, out, stride int, shortcut string) Residual {
	b := Residual{
		Body:     ConvNormAct{Conv{In: in, Out: out, Kernel: 3, Stride: stride, Padding: 1}, [2]string{"conv1", "bn1"}, true},
		Last:     ConvNormAct{Conv: Conv{In: out, Out: out, Kernel: 3, Stride: 1, Padding: 1}, Named: [2]string{"conv2", "bn2"}},
		Shortcut: Identity{},
	}
	switch {
	case stride > 1 && shortcut == "B":
		b.Shortcut = ConvNormAct{Conv: Conv{In: in, Out: out, Kernel: 1, Stride: stride}, Named: [2]string{"downsample.0", "downsample.1"}}
	case stride > 1:
		b.Shortcut = PadChannels{stride, out}
	}
	return b
}
