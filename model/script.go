package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/lawa-replay/lawa-replay/bn"
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

// OpenScript reads a network that torch.jit.save wrote. Its weights are those of the checkpoints, by the names
// of its state dict; floating ones are held and computed in float32. Its Spec is the digest of the file.
func OpenScript(text string) (*Network, error) {
	path := strings.TrimPrefix(text, scriptPrefix)
	n, err := openScript(path)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	return n, nil
}

func openScript(path string) (*Network, error) {
	text, err := input.ReadFile(path, maxScript)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	n := &Network{Spec: scriptPrefix + hex.EncodeToString(sum[:]), script: text}
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
			n.Entries = append(n.Entries, Entry{Name: t.Name, Shape: t.Shape, DType: t.DType.String(), Role: role(t)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(n.Entries) == 0 {
		return nil, errors.New("the module has no parameters (a frozen one holds them as constants: save it without torch.jit.freeze)")
	}
	n.layout()
	n.forward = func(in *Instance, p *pass, x *torch.Tensor) *torch.Tensor {
		if p.mode == statistics {
			p.Observe(in.module, x, p.momentum)
			return nil
		}
		return p.Forward(in.module, x)
	}
	return n, nil
}

// role says what a module's tensor is, by its name as batch norm gives it.
func role(t torch.ModuleTensor) Role {
	switch {
	case t.Buffer && strings.HasSuffix(t.Name, "num_batches_tracked") && !t.DType.Float():
		return Counter
	case !t.DType.Float():
		return Other
	case t.Buffer && bn.IsStatistic(t.Name):
		return Statistic
	}
	return Parameter
}

// bind makes the instance's module, whose floating tensors are the instance's own.
func (in *Instance) bind() error {
	var err error
	if in.module, err = torch.LoadModule(in.script, in.Device); err != nil {
		return err
	}
	for _, e := range in.Entries {
		if e.Role == Parameter || e.Role == Statistic {
			if err := in.module.Bind(e.Name, in.params[e.Name]); err != nil {
				return err
			}
		}
	}
	_, err = in.module.Norms()
	return err
}
