package model

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// cifarResNets are the residual networks for CIFAR: those of the paper and two smaller ones. Other N, though there may be
// an n with 6n+2 = N, are the names of other networks (imageNetResNets).
var cifarResNets = spec.Kind[Family]{
	Name: "resnetN", Names: []string{"resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"},
	About:    "residual network for small images, of N layers",
	Source:   "He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 4.2",
	Examples: []string{"resnet20", "resnet8:width=8,stem-stride=2", "resnet56:shortcut=B"},
	Options: []spec.Option{
		{Name: "width", Default: "16", About: "channels of the first stage; the others have two and four times as many"},
		{Name: "stem-stride", Default: "1", About: "stride of the first convolution"},
		{Name: "shortcut", Default: "A", About: "where the size changes, A takes every second pixel and pads with zero channels, B projects with a 1×1 convolution and batch norm"},
		{Name: "in-channels", About: "channels of the images: the data's"},
		{Name: "classes", About: "those of the data"},
	},
	Parse: func(s *spec.Spec) Family {
		r := resNet{width: s.Int("width", 16, 1), stemStride: s.Int("stem-stride", 1, 1), shortcut: s.Choice("shortcut", "A", "A", "B")}
		r.depth, _ = strconv.Atoi(strings.TrimPrefix(s.Name, "resnet")) // one of Names
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

// resNetAliases are names of github.com/akamaster/pytorch_resnet_cifar10 and github.com/kuangliu/pytorch-cifar.
var resNetAliases = [][2]string{{"fc.", "linear."}, {".downsample.", ".shortcut."}}

// resNet is one of He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), §4.2: a 3×3
// convolution, three stages of n blocks with width, 2·width and 4·width channels (16, 32, 64 in the paper), global average
// pooling, one classifier: 6n+2 layers.
type resNet struct {
	depth, width, stemStride int
	shortcut                 string // A or B
	channels, classes        int
}

func (r resNet) network() Network {
	net := Sequential{{"", ConvNormAct{Conv{In: r.channels, Out: r.width, Kernel: 3, Stride: r.stemStride, Padding: 1}, "conv1", "bn1", true}}}
	in := r.width
	for stage := range 3 {
		out := r.width << stage
		for i := range (r.depth - 2) / 6 {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			var shortcut Layer = Identity{}
			switch {
			case stride > 1 && r.shortcut == "B":
				shortcut = projection(in, out, stride, HeNormal)
			case stride > 1:
				shortcut = PadChannels{stride, out}
			}
			net = append(net, Child{fmt.Sprintf("layer%d.%d", stage+1, i), basicBlock(in, out, stride, shortcut, HeNormal)})
			in = out
		}
	}
	net = append(net, Child{"", GlobalAvgPool{}}, Child{"fc", Linear{In: in, Out: r.classes}})
	canonical := fmt.Sprintf("resnet%d:width=%d,stem-stride=%d,shortcut=%s,in-channels=%d,classes=%d", r.depth, r.width, r.stemStride, r.shortcut, r.channels, r.classes)
	tree := NewTree(canonical, net, dataset.Field{Name: "inputs", DType: checkpoint.F32, Shape: []int64{int64(r.channels), -1, -1}})
	tree.aliases, tree.classifier = resNetAliases, "fc"
	return tree
}

// basicBlock is two 3×3 convolutions with batch norm, and a shortcut around them.
func basicBlock(in, out, stride int, shortcut Layer, init Init) Residual {
	return Residual{
		Body:     ConvNormAct{Conv{In: in, Out: out, Kernel: 3, Stride: stride, Padding: 1, Init: init}, "conv1", "bn1", true},
		Last:     ConvNormAct{Conv: Conv{In: out, Out: out, Kernel: 3, Stride: 1, Padding: 1, Init: init}, ConvName: "conv2", NormName: "bn2"},
		Shortcut: shortcut,
	}
}

// projection is a shortcut to another size: a 1×1 convolution with batch norm.
func projection(in, out, stride int, init Init) Layer {
	return ConvNormAct{Conv: Conv{In: in, Out: out, Kernel: 1, Stride: stride, Init: init}, ConvName: "downsample.0", NormName: "downsample.1"}
}
