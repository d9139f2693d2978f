package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
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
func newResNet(s *spec.Spec, channels, classes int) (*Network, error) {
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
	n := &Network{
		Spec:       fmt.Sprintf("resnet%d:width=%d,stem-stride=%d,shortcut=%s,in-channels=%d,classes=%d", depth, width, stride, shortcut, channels, classes),
		Channels:   channels,
		Classes:    classes,
		initialize: initResNet,
		// github.com/akamaster/pytorch_resnet_cifar10 and github.com/kuangliu/pytorch-cifar
		aliases: [][2]string{{"fc.", "linear."}, {".downsample.", ".shortcut."}},
	}
	conv := func(name string, in, out, k int) {
		n.Entries = append(n.Entries, Entry{Name: name + ".weight", Shape: shape(out, in, k, k)})
	}
	norm := func(name string, c int) {
		n.Entries = append(n.Entries,
			Entry{Name: name + ".weight", Shape: shape(c)}, Entry{Name: name + ".bias", Shape: shape(c)},
			Entry{Name: name + ".running_mean", Shape: shape(c), Role: Statistic},
			Entry{Name: name + ".running_var", Shape: shape(c), Role: Statistic},
			Entry{Name: name + ".num_batches_tracked", Shape: shape(), Role: Counter})
	}
	var blocks []block
	conv("conv1", channels, width, 3)
	norm("bn1", width)
	in := width
	for stage := range 3 {
		for i := range (depth - 2) / 6 {
			b := block{name: fmt.Sprintf("layer%d.%d", stage+1, i), out: int64(width << stage), stride: 1}
			if stage > 0 && i == 0 {
				b.stride = 2
			}
			b.resize = b.stride > 1
			b.project = b.resize && shortcut == "B"
			conv(b.name+".conv1", in, width<<stage, 3)
			norm(b.name+".bn1", width<<stage)
			conv(b.name+".conv2", width<<stage, width<<stage, 3)
			norm(b.name+".bn2", width<<stage)
			if b.project {
				conv(b.name+".downsample.0", in, width<<stage, 1)
				norm(b.name+".downsample.1", width<<stage)
			}
			in = width << stage
			blocks = append(blocks, b)
		}
	}
	n.Entries = append(n.Entries, Entry{Name: "fc.weight", Shape: shape(classes, in)}, Entry{Name: "fc.bias", Shape: shape(classes)})
	n.layout()
	n.forward = func(net *Instance, p *pass, x *torch.Tensor) *torch.Tensor {
		x = net.convNorm(p, x, "conv1", "bn1", int64(stride), 1, nil, true)
		for i, b := range blocks {
			if p.mode == statistics && i == len(blocks)-1 {
				net.blockStatistics(p, x, b)
				return nil
			}
			x = net.residual(p, x, b)
		}
		if p.Err() != nil {
			return nil
		}
		return p.PoolLinear(x, net.params["fc.weight"], net.params["fc.bias"])
	}
	return n, nil
}

// block is a basic block: two 3×3 convolutions with batch norm, and a shortcut around them.
type block struct {
	name            string
	out, stride     int64
	resize, project bool
}

func (in *Instance) residual(p *pass, x *torch.Tensor, b block) *torch.Tensor {
	y := in.convNorm(p, x, b.name+".conv1", b.name+".bn1", b.stride, 1, nil, true)
	return in.convNorm(p, y, b.name+".conv2", b.name+".bn2", 1, 1, in.shortcut(p, x, b), true)
}

func (in *Instance) shortcut(p *pass, x *torch.Tensor, b block) *torch.Tensor {
	switch {
	case b.project:
		return in.convNorm(p, x, b.name+".downsample.0", b.name+".downsample.1", b.stride, 0, nil, false)
	case b.resize:
		return p.PadChannels(x, b.stride, b.out)
	}
	return x
}

// blockStatistics renews the statistics of the last block, whose output nobody needs.
func (in *Instance) blockStatistics(p *pass, x *torch.Tensor, b block) {
	y := in.convNorm(p, x, b.name+".conv1", b.name+".bn1", b.stride, 1, nil, true)
	in.convNorm(p, y, b.name+".conv2", b.name+".bn2", 1, 1, nil, false)
	if b.project {
		in.shortcut(p, x, b)
	}
}

// convNorm is convolution, batch norm, the sum with residual if there is one, and ReLU if wanted.
func (in *Instance) convNorm(p *pass, x *torch.Tensor, conv, norm string, stride, padding int64, residual *torch.Tensor, relu bool) *torch.Tensor {
	y := p.Conv2d(x, in.params[conv+".weight"], stride, padding)
	bn := in.norm(norm)
	if p.Err() != nil {
		return nil
	}
	switch p.mode {
	case evaluate:
		return p.BatchNormEval(y, bn, residual, relu)
	case statistics:
		return p.BatchNormStatistics(y, bn, p.momentum, residual, relu)
	}
	return p.BatchNormTrain(y, bn, residual, relu)
}

func (in *Instance) norm(name string) *torch.BatchNorm {
	bn := in.norms[name]
	if bn == nil {
		bn = &torch.BatchNorm{Weight: in.params[name+".weight"], Bias: in.params[name+".bias"],
			RunningMean: in.params[name+".running_mean"], RunningVar: in.params[name+".running_var"]}
		in.norms[name] = bn
	}
	return bn
}

func initResNet(e Entry, rng *rand.Rand, values []float32) {
	switch {
	case len(e.Shape) == 4:
		heNormal(e.Shape, rng, values)
	case e.Name == "fc.weight":
		uniform(1/math.Sqrt(float64(e.Shape[1])), rng, values)
	case e.Name == "fc.bias":
		fill(values, 0)
	case strings.HasSuffix(e.Name, ".weight"), bn.IsVariance(e.Name):
		fill(values, 1)
	default:
		fill(values, 0)
	}
}
