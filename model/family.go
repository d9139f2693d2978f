package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Family makes a network of its kind. What the text did not say, such as the number of classes, is as the fields of the
// data have it.
type Family func(data []dataset.Field) (Network, error)

// Kind says what a family of networks is, with its options and examples, and reads its text.
type Kind = spec.Kind[Family]

// Kinds lists the families of networks.
func Kinds() []Kind {
	return []Kind{cifarResNets, imageNetResNets, robertaKind, bertKind, gpt2Kind, neoxKind, llamaKind, torchScript}
}

// New reads a network's spec, such as resnet20 or resnet8:width=8,stem-stride=2, for data of the given fields, or opens a
// TorchScript file.
func New(text string, data ...dataset.Field) (Network, error) {
	if path, ok := scriptPath(text); ok {
		return openScript(path)
	}
	if err := otherResNet(text); err != nil {
		return nil, orScript(err)
	}
	family, err := spec.Choose("network", text, Kinds())
	if err != nil {
		return nil, orScript(err)
	}
	return family(data)
}

// orScript says how a network that is not known here can be had.
func orScript(err error) error {
	return hint.With(err, "model net.ts", "takes any other network as a TorchScript module")
}

// otherResNet refuses residual networks of other depths, without a nearest one: who says resnet26 does not mean resnet56.
func otherResNet(text string) error {
	name, _, _ := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !regexp.MustCompile(`^resnet-?\d+$`).MatchString(name) || slices.Contains(slices.Concat(cifarResNets.Names, imageNetResNets.Names), name) {
		return nil
	}
	return fmt.Errorf("network %q: there are %s, the residual networks for CIFAR, and torchvision's %s", name, strings.Join(cifarResNets.Names, ", "), strings.Join(imageNetResNets.Names, ", "))
}
