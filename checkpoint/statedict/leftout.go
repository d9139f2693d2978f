package statedict

import (
	"fmt"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// unread says why a tensor of a kind that has no plain bytes is not read; "" of objects that are no tensors.
func unread(o *pickle.Object) string {
	g, ok := o.Class.(pickle.Global)
	if ok && g.Name == "ShardedTensor" && strings.HasPrefix(g.Module, "torch.distributed.") {
		return "it is a ShardedTensor: one process's share of a tensor. Save whole ones (FSDP's StateDictType.FULL_STATE_DICT), or all shares with torch.distributed.checkpoint"
	}
	if !ok || !strings.HasPrefix(g.Module, "torch._") || !strings.HasPrefix(g.Name, "_rebuild_") {
		return ""
	}
	// _rebuild_from_type_v2(function, type, …) and _rebuild_wrapper_subclass(type, …) say which tensor it is.
	of := ""
	for _, a := range o.Args[:min(2, len(o.Args))] {
		if class, ok := a.(pickle.Global); ok && !strings.HasPrefix(class.Name, "_rebuild_") {
			of = class.Name
		}
	}
	switch {
	case of == "DTensor":
		return "it is a DTensor: one process's share of a tensor. Save whole ones (torch.distributed.checkpoint.state_dict.get_model_state_dict with full_state_dict), or all shares with torch.distributed.checkpoint"
	case g.Name == "_rebuild_sparse_tensor":
		return "it is a sparse tensor, which is not read"
	case g.Name == "_rebuild_qtensor":
		return "it is quantised (a torch.quint8, qint8 or qint32 tensor), and cannot be averaged"
	case g.Name == "_rebuild_meta_tensor_no_storage" || g.Name == "_rebuild_device_tensor_from_numpy":
		return fmt.Sprintf("it is made by %v: it has no bytes in this file", g)
	case of != "":
		return fmt.Sprintf("it is a %s (made by %v), which is not read: quantised and other tensors of classes of their own have no plain bytes", of, g)
	}
	return fmt.Sprintf("it is made by %v, which is not read", g)
}

// leftOut names what stands in a state dict, and is no tensor. At the root numbers, texts, dicts, and what is known to
// stand beside a model, are not spoken of, but where they have a module's name in theirs.
func leftOut(v any, root bool) []string {
	d := Mapping(v)
	if o, ok := v.(*pickle.Object); d == nil || ok && o.Dict == nil {
		return nil // attributes of a module
	}
	var out []string
	for i, k := range d.Keys {
		name, ok := KeyName(k)
		if !ok {
			name = "a key that is no text"
		}
		var what string
		root := root && !strings.Contains(name, ".")
		switch v := d.Values[i].(type) {
		case nil, pickle.Global:
		case *stored.Tensor:
			if !ok {
				what = "a tensor"
			}
		case *pickle.Object:
			if rebuild.IsArray(v) {
				if code := rebuild.NotOfNumbers(v); code != "" {
					what = "numpy.ndarray of " + code
				}
				break
			}
			g, _ := v.Class.(pickle.Global)
			if _, isNumber := number(v); unread(v) == "" && !(root && (beside(name) || isNumber)) {
				what = g.String()
			}
		case *pickle.Dict:
			if len(v.Keys) > 0 && !root {
				what = "a dict"
			}
		case *pickle.List, pickle.Tuple:
			if !root {
				what = "a list"
			}
		default:
			if !root {
				what = "a number or text"
			}
		}
		if what != "" {
			if out = append(out, fmt.Sprintf("%.80s (%s)", name, what)); len(out) == 1000 {
				break
			}
		}
	}
	return out
}
