package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// torchScript is modules that torch.jit.save wrote. Their weights are those of the checkpoints, by the names of their state
// dict; floating ones are held and computed in float32. Their Spec is the digest of the file.
var torchScript = spec.Kind[Family]{
	Name:     "torchscript",
	About:    "any network as a TorchScript module, to be evaluated: torch.jit.script(net.eval()).save(FILE); the name may be left out before " + strings.Join(scriptEndings, ", "),
	Source:   "torch.jit",
	Examples: []string{"torchscript:net.ts"},
	Raw:      true,
	Parse: func(s *spec.Spec) Family {
		path := s.Word("the file", "torchscript:net.ts")
		return func([]dataset.Field) (Network, error) { return openScript(path) }
	},
}

// scriptEndings are those of TorchScript files; any other name may stand behind scriptPrefix.
var scriptEndings = []string{".ts", ".pt", ".pth", ".jit", ".torchscript"}

const scriptPrefix = "torchscript:"

// maxScript bounds a TorchScript file, in bytes.
const maxScript = 64 << 30

// IsScript says whether text names a TorchScript file rather than a network that this program knows.
func IsScript(text string) bool {
	_, ok := scriptPath(text)
	return ok
}

func scriptPath(text string) (string, bool) {
	if path, ok := strings.CutPrefix(text, scriptPrefix); ok {
		return path, true
	}
	return text, slices.ContainsFunc(scriptEndings, func(e string) bool { return strings.HasSuffix(text, e) })
}

// script is a module in a file.
type script struct {
	spec   string
	text   []byte // the file
	layout *Layout
	inputs []dataset.Field
}

func openScript(path string) (Network, error) {
	n, err := readScript(path)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", path, err)
	}
	return n, nil
}

func readScript(path string) (*script, error) {
	text, err := input.ReadFile(path, maxScript)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	n := &script{spec: scriptPrefix + hex.EncodeToString(sum[:]), text: text}
	var entries []Entry
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
			n.inputs = append(n.inputs, dataset.Field{Name: name})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errors.New("the module has no parameters (a frozen one holds them as constants: save it without torch.jit.freeze)")
	}
	n.layout = NewLayout(entries)
	return n, nil
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

// Inputs implements Network: what forward takes, of any dtype and shape.
func (n *script) Inputs() []dataset.Field { return n.inputs }

// Alias implements Network.
func (n *script) Alias(string) []string { return nil }

// On implements Network: the module's floating tensors are views of the instance's.
func (n *script) On(d Device, o Options) (Instance, error) {
	if o.Trainable {
		return nil, errors.New("a TorchScript module can be evaluated, not trained")
	}
	if err := o.Precision.Check(d); err != nil {
		return nil, err
	}
	w, err := newWeights(n.layout, d, false)
	if err != nil {
		return nil, err
	}
	in := &scriptInstance{weights: w, device: d, precision: o.Precision}
	if err := in.bind(n.text, d); err != nil {
		in.Free()
		return nil, err
	}
	w.other = in.module.Write
	return in, nil
}

// scriptInstance is a module with weights.
type scriptInstance struct {
	weights   *Weights
	module    *torch.Module
	device    Device
	precision Precision
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
		return s.In(in.precision, in.device, func() *Tensor { return s.Forward(in.module, inputs) })
	case observing:
		s.In(in.precision, in.device, func() *Tensor {
			s.Observe(in.module, inputs, m.momentum)
			return nil
		})
		for i := range in.weights.counters {
			in.weights.counters[i]++
		}
	case training:
		s.Fail(errors.New("a TorchScript module can be evaluated, not trained"))
	}
	return nil
}
