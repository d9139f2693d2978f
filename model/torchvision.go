package model

import (
	"fmt"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// stages are the blocks of the four stages, by the layers that they come to (He et al. 2015, table 1).
var stages = map[int][4]int{18: {2, 2, 2, 2}, 34: {3, 4, 6, 3}, 50: {3, 4, 6, 3}, 101: {3, 4, 23, 3}, 152: {3, 8, 36, 3}}

// imageNetResNets are torchvision's, by its names. ResNeXt and wide ResNets are settings of the same network.
var imageNetResNets = spec.Kind[Family]{
	Name:     "resnetN for ImageNet",
	Names:    []string{"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"},
	About:    "residual network for large images, of N layers, with torchvision's tensors; ResNeXt and wide ResNet",
	Source:   "He, Zhang, Ren, Sun 2015, arXiv 1512.03385, table 1, as in torchvision (v1.5: bottlenecks have their stride in the 3×3 convolution); Xie et al. 2017, arXiv 1611.05431; Zagoruyko, Komodakis 2016, arXiv 1605.07146",
	Examples: []string{"resnet50", "resnet34:stem=cifar", "resnet50:groups=32,width-per-group=4", "wide_resnet50_2"},
	Options: []spec.Option{
		{Name: "stem", Default: "imagenet", About: "imagenet is a 7×7 convolution of stride 2 and max-pooling, cifar a 3×3 convolution of stride 1 alone, for images of some 32 pixels"},
		{Name: "groups", Default: "1", About: "groups of the 3×3 convolutions, from 50 layers on; of resnext… those in its name"},
		{Name: "width-per-group", Default: "64", About: "channels of a group in the first stage, from 50 layers on; of resnext… and wide… those in its name"},
		{Name: "in-channels", About: "channels of the images: the data's"},
		{Name: "classes", About: "those of the data"},
	},
	Parse: func(s *spec.Spec) Family {
		r := namedResNet(s.Name)
		r.stem = s.Choice("stem", "imagenet", "imagenet", "cifar")
		r.groups, r.width = s.Int("groups", r.groups, 1), s.Int("width-per-group", r.width, 1)
		if !r.bottlenecks() && (r.groups != 1 || r.width != 64) {
			s.Fail("groups and width-per-group are those of networks of 50 layers and more")
		}
		said := fields(s)
		return func(data []dataset.Field) (Network, error) {
			r := r
			var err error
			if r.channels, r.classes, err = said.with(data); err != nil {
				return nil, fmt.Errorf("network %s: %w", s.Name, err)
			}
			return r.network(), nil
		}
	},
}

// bigResNet is a residual network of torchvision.
type bigResNet struct {
	depth             int
	stem              string // imagenet or cifar
	groups, width     int
	channels, classes int
}

// namedResNet is what torchvision means by one of the names.
func namedResNet(name string) bigResNet {
	r := bigResNet{groups: 1, width: 64}
	switch {
	case strings.HasPrefix(name, "resnext"):
		fmt.Sscanf(name, "resnext%d_%dx%dd", &r.depth, &r.groups, &r.width)
	case strings.HasPrefix(name, "wide_"):
		fmt.Sscanf(name, "wide_resnet%d_2", &r.depth)
		r.width = 128
	default:
		fmt.Sscanf(name, "resnet%d", &r.depth)
	}
	return r
}

func (r bigResNet) bottlenecks() bool { return r.depth >= 50 }

func (r bigResNet) network() Network {
	stem := Conv{In: r.channels, Out: 64, Kernel: 7, Stride: 2, Padding: 3, Init: HeNormalOut}
	if r.stem == "cifar" {
		stem.Kernel, stem.Stride, stem.Padding = 3, 1, 1
	}
	net := Sequential{{"", ConvNormAct{stem, "conv1", "bn1", true}}}
	if r.stem == "imagenet" {
		net = append(net, Child{"", MaxPool{Kernel: 3, Stride: 2, Padding: 1}})
	}
	in := 64
	for stage, blocks := range stages[r.depth] {
		planes := 64 << stage
		for i := range blocks {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			var block Residual
			block, in = r.block(in, planes, stride)
			net = append(net, Child{fmt.Sprintf("layer%d.%d", stage+1, i), block})
		}
	}
	net = append(net, Child{"", GlobalAvgPool{}}, Child{"fc", Linear{In: in, Out: r.classes, BiasInit: uniformOf(in)}})
	canonical := fmt.Sprintf("resnet%d:stem=%s,groups=%d,width-per-group=%d,in-channels=%d,classes=%d", r.depth, r.stem, r.groups, r.width, r.channels, r.classes)
	tree := NewTree(canonical, net, dataset.Field{Name: "inputs", DType: checkpoint.F32, Shape: []int64{int64(r.channels), -1, -1}})
	tree.aliases, tree.classifier = resNetAliases, "fc"
	return tree
}

// block is a residual block, and how many channels it gives: four times planes where it is a bottleneck.
func (r bigResNet) block(in, planes, stride int) (Residual, int) {
	out := planes
	if r.bottlenecks() {
		out = 4 * planes
	}
	var shortcut Layer = Identity{}
	if stride > 1 || in != out {
		shortcut = projection(in, out, stride, HeNormalOut)
	}
	if !r.bottlenecks() {
		return basicBlock(in, out, stride, shortcut, HeNormalOut), out
	}
	width := planes * r.width / 64 * r.groups
	return Residual{
		Body: Sequential{
			{"", ConvNormAct{Conv{In: in, Out: width, Kernel: 1, Stride: 1, Init: HeNormalOut}, "conv1", "bn1", true}},
			{"", ConvNormAct{Conv{In: width, Out: width, Kernel: 3, Stride: stride, Padding: 1, Groups: r.groups, Init: HeNormalOut}, "conv2", "bn2", true}},
		},
		Last:     ConvNormAct{Conv: Conv{In: width, Out: out, Kernel: 1, Stride: 1, Init: HeNormalOut}, ConvName: "conv3", NormName: "bn3"},
		Shortcut: shortcut,
	}, out
}
