package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// scriptEndings are those of TorchScript files; any other name may stand behind scriptPrefix.
var scriptEndings = []string{".ts", ".pt", ".pth", ".jit", ".torchscript"}

const scriptPrefix = "torchscript:"

// maxScript bounds a TorchScript file, in bytes.
const maxScript = 64 << 30

// IsScript says whether text names a TorchScript file rather than a network that this program knows.
func IsScript(text string) bool {
	if strings.HasPrefix(text, scriptPrefix) {
		return true
	}
	for _, e := range scriptEndings {
		if strings.HasSuffix(text, e) {
			return true
		}
	}
	return false
}

// script is a module that torch.jit.save wrote.
type script struct {
	spec   string
	text   []byte // the file
	layout *Layout
	inputs []dataset.Field // the arguments of forward that have no default
}

// OpenScript reads a network that torch.jit.save wrote. Its weights are those of the checkpoints, by the names
// of its state dict; floating ones are held and computed in float32. Its Spec is the digest of the file.
func OpenScript(text string) (Network, error) {
	path := strings.TrimPrefix(text, scriptPrefix)
	n, err := openScript(path)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	return n, nil
}

func openScript(path string) (*script, error) {
	text, err := input.ReadFile(path, maxScript)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	var entries []Entry
	var inputs []dataset.Field
	err = torch.Worker(1, false, func() error {
		m, err := torch.LoadModule(text, torch.CPU)
		if err != nil {
			return fmt.Errorf("%w (a module saved by torch.jit.save is wanted: torch.jit.script(net.eval()).save(path))", err)
		}
		defer m.Free()
		tensors, err := m.Tensors()
		if err != nil {
			return err
		}
		for _, t := range tensors {
			entries = append(entries, entryOf(t))
		}
		names, err := m.Inputs()
		for _, name := range names {
			inputs = append(inputs, dataset.Field{Name: name})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errors.New("the module has no parameters (a frozen one holds them as constants: save it without torch.jit.freeze)")
	}
	return &script{scriptPrefix + hex.EncodeToString(sum[:]), text, NewLayout(entries), inputs}, nil
}

// entryOf says what a module's tensor is, by its name as batch norm gives it.
func entryOf(t torch.ModuleTensor) Entry {
	e := Entry{Name: t.Name, Shape: t.Shape, DType: t.DType.String(), Role: Parameter}
	switch {
	case t.Buffer && strings.HasSuffix(t.Name, "num_batches_tracked") && !t.DType.Float():
		e.Role = Counter
	case !t.DType.Float():
		e.Role = Other
	case t.Buffer && bn.IsVariance(t.Name):
		e.Role, e.init = Statistic, Ones
	case t.Buffer && bn.IsStatistic(t.Name):
		e.Role, e.init = Statistic, Zeros
	}
	return e
}

// Spec implements Network.
func (n *script) Spec() string { return n.spec }

// Layout implements Network.
func (n *script) Layout() *Layout { return n.layout }

// Inputs implements Network.
func (n *script) Inputs() []dataset.Field { return n.inputs }

// Alias implements Network.
func (n *script) Alias(string) []string { return nil }

// On implements Network: the module's floating tensors are views of the instance's.
func (n *script) On(d Device, trainable bool) (Instance, error) {
	if trainable {
		return nil, errors.New("a TorchScript module can be evaluated, not trained")
	}
	w, err := newWeights(n.layout, d, false)
	if err != nil {
		return nil, err
	}
	in := &scriptInstance{weights: w}
	if err := in.bind(n.text, d); err != nil {
		in.Free()
		return nil, err
	}
	w.other = in.module.Write
	return in, nil
}

// scriptInstance is a module with weights.
type scriptInstance struct {
	weights *Weights
	module  *torch.Module
}

func (in *scriptInstance) bind(text []byte, d Device) error {
	var err error
	if in.module, err = torch.LoadModule(text, d); err != nil {
		return err
	}
	for _, e := range in.weights.Entries {
		if e.Role == Parameter || e.Role == Statistic {
			view := in.weights.view(e)
			if err := in.weights.views.Err(); err != nil {
				return err
			}
			if err := in.module.Bind(e.Name, view); err != nil {
				return err
			}
		}
	}
	_, err = in.module.Norms()
	return err
}

func (in *scriptInstance) Weights() *Weights { return in.weights }

func (in *scriptInstance) Free() {
	in.module.Free()
	in.weights.free()
}

func (in *scriptInstance) Forward(s *Scope, inputs []*Tensor, m Mode) *Tensor {
	switch m.kind {
	case evaluating:
		return s.Forward(in.module, inputs)
	case observing:
		s.Observe(in.module, inputs, m.momentum)
		for i := range in.weights.counters {
			in.weights.counters[i]++
		}
	case training:
		s.Fail(errors.New("a TorchScript module can be evaluated, not trained"))
	}
	return nil
}
