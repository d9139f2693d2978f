// Package rebuild makes tensors of what pickles say would make them: torch's _rebuild functions, storages, and numpy's
// arrays and scalars, read as data.
//
// It believes that a list of what is interpreted must be closed: what is not in it stays an inert object, and is named
// where a tensor was wanted.
package rebuild

import (
	"errors"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
)

// Call interprets the functions that make tensors: the closed list.
func Call(f pickle.Global, args pickle.Tuple) (any, bool, error) {
	var v any
	var err error
	switch f {
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor"}:
		v, err = view(args, 4, nil)
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v2"}:
		v, err = view(args, 6, nil)
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v3"}:
		if len(args) < 7 {
			return nil, true, errors.New("_rebuild_tensor_v3 with too few arguments")
		}
		v, err = view(args, 7, args[6])
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_parameter"}, pickle.Global{Module: "torch._utils", Name: "_rebuild_parameter_with_state"},
		pickle.Global{Module: "torch.nn.parameter", Name: "Parameter"}, pickle.Global{Module: "torch.nn.parameter", Name: "Buffer"}:
		if len(args) == 0 {
			return nil, false, nil
		}
		v = args[0]
	case pickle.Global{Module: "torch._tensor", Name: "_rebuild_from_type_v2"}:
		if len(args) < 3 {
			return nil, true, errors.New("_rebuild_from_type_v2 with too few arguments")
		}
		inner, ok1 := args[0].(pickle.Global)
		with, ok2 := args[2].(pickle.Tuple)
		if !ok1 || !ok2 || inner == f {
			return nil, false, nil
		}
		return Call(inner, with)
	case pickle.Global{Module: "torch", Name: "Size"}:
		if len(args) == 1 {
			v = args[0]
		} else {
			v = pickle.Tuple{}
		}
	default:
		if numpyGlobal(f) { // data, which array and numpyScalar read
			return &pickle.Object{Class: f, Args: args}, true, nil
		}
		return nil, false, nil
	}
	return v, true, err
}
