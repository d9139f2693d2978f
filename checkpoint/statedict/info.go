package statedict

import (
	"io"
	"math"
	"math/big"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// The keys under which checkpoints record their epoch and their step, best first. "epochs" is not among them, nor
// max_epochs or num_epochs: those are how many there are to be.
var (
	epochKeys = []string{"epoch", "cur_epoch", "current_epoch", "meta.epoch", "last_epoch", "state.timestamp.epoch", "state.timestamp.Timestamp.epoch", "trainer.epoch", "trainer.current_epoch", "train_state.epoch", "training_state.epoch"}
	stepKeys  = []string{"global_step", "step", "iteration", "iter", "iter_num", "num_updates", "batch_idx_train", "global_steps", "steps", "meta.iter", "state.timestamp.batch", "state.timestamp.Timestamp.batch", "trainer.global_step", "trainer.step", "train_state.step", "training_state.step", "training_state.global_step"}
)

// maxNumbers bounds how many numbers are kept, and maxRead how many of them are read out of tensors.
const (
	maxNumbers = 1000
	maxRead    = 64
)

// infoOf reads the numbers beside the weights.
func infoOf(root any) checkpoint.Info {
	info := checkpoint.Info{Numbers: map[string]float64{}}
	d := Mapping(root)
	if o, ok := root.(*pickle.Object); d == nil || ok && o.Dict == nil {
		return info // none, or a module's attributes
	}
	read := 0
	for i, k := range d.Keys {
		name, ok := k.(string)
		if !ok || len(info.Numbers) == maxNumbers {
			continue
		}
		switch d.Values[i].(type) {
		case *stored.Tensor, *Lazy:
			// Entries of a state dict have a module's name in theirs, or count for a wrapper.
			if read++; read > maxRead || strings.Contains(name, ".") || name == "n_averaged" || name == "steps" {
				continue
			}
		}
		if v, ok := number(d.Values[i]); ok {
			info.Numbers[name] = v
		}
	}
	_, info.Lightning = d.Get("pytorch-lightning_version")
	info.Epoch, info.EpochKey = firstOf(d, epochKeys)
	info.Step, info.StepKey = firstOf(d, stepKeys)
	fairseq(&info, d)
	return info
}

// firstOf is the first of some keys under which a count stands: a number from 0 on.
func firstOf(d *pickle.Dict, keys []string) (*float64, string) {
	for _, key := range keys {
		v, err := lookUp(d, key)
		if err != nil {
			continue
		}
		if t, ok := v.(*stored.Tensor); ok && key == "steps" && t != nil {
			continue // a wrapper's counter of its own updates
		}
		if n, ok := number(v); ok && n >= 0 && !math.IsInf(n, 0) {
			return &n, key
		}
	}
	return nil, ""
}

// fairseq reads extra_state.train_iterator.epoch, which is the one that comes next where none of it was trained on,
// and the updates in optimizer_history.
func fairseq(info *checkpoint.Info, d *pickle.Dict) {
	extra, _ := d.Get("extra_state")
	if e := Mapping(extra); e != nil {
		v, _ := e.Get("val_loss")
		if n, ok := number(v); ok {
			info.Numbers["val_loss"] = n
		}
		iterator, _ := e.Get("train_iterator")
		if it := Mapping(iterator); it != nil && info.Epoch == nil {
			v, _ := it.Get("epoch")
			within, _ := it.Get("iterations_in_epoch")
			if n, ok := number(v); ok {
				if w, ok := number(within); ok && w == 0 && n > 1 {
					n--
				}
				info.Epoch, info.EpochKey = &n, "extra_state.train_iterator.epoch"
			}
		}
	}
	history, _ := d.Get("optimizer_history")
	if l, ok := history.(*pickle.List); ok && len(l.Items) > 0 && info.Step == nil {
		if last := Mapping(l.Items[len(l.Items)-1]); last != nil {
			v, _ := last.Get("num_updates")
			if n, ok := number(v); ok {
				info.Step, info.StepKey = &n, "optimizer_history.num_updates"
			}
		}
	}
}

// Lazy is a value that is read where it is asked for.
type Lazy struct{ Load func() (any, error) }

// number is a value as a number: an integer, a float, a numpy scalar, or a tensor or array of one element.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	case *Lazy:
		inner, err := v.Load()
		if _, again := inner.(*Lazy); err != nil || again {
			return 0, false
		}
		return number(inner)
	case *stored.Tensor:
		return numberIn(v)
	case *pickle.Object:
		if shape, ok := rebuild.ArrayShape(v); ok {
			if !(&stored.Tensor{Shape: shape}).Single() {
				return 0, false // not worth its bytes
			}
			return numberIn(rebuild.Array(v))
		}
		return rebuild.Scalar(v)
	}
	return 0, false
}

// numberIn is the value of a tensor of one element.
func numberIn(t *stored.Tensor) (float64, bool) {
	if !t.Single() || t.Resolve() != nil || t.Fault != "" || len(t.Parts) != 1 || t.DType.Size() == 0 || t.DType.Size() > 8 {
		return 0, false
	}
	r, err := t.Parts[0].Record.From(t.Parts[0].Offset)
	if err != nil {
		return 0, false
	}
	data := make([]byte, t.DType.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, false
	}
	return rebuild.Element(t.DType, data)
}
