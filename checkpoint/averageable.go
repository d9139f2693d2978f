package checkpoint

import (
	"fmt"
	"slices"
	"strings"
)

// Averageable says whether a checkpoint's tensors mean something when they are averaged: the error names those that
// do not. Quantised weights are integers, or floats of few bits, that mean something only with their scales, which
// differ from checkpoint to checkpoint; placeholders stand for weights that lie elsewhere. Other integers, such as
// num_batches_tracked or position_ids, are taken from the newest checkpoint.
func Averageable(tensors []Tensor) error {
	if empty := placeholders(tensors); len(empty) > 0 {
		return fmt.Errorf("%d of %d tensors hold nothing, such as %s: these are the placeholders of DeepSpeed's ZeRO-3, and the weights lie in the optimizer's shards beside them; DeepSpeed's zero_to_fp32.py puts them together",
			len(empty), len(tensors), Few(empty, 3))
	}
	if packed := quantised(tensors); len(packed) > 0 {
		return fmt.Errorf("%d of %d tensors are quantised, and cannot be averaged: %s; average the checkpoints before they are quantised", len(packed), len(tensors), Few(packed, 5))
	}
	return nil
}

// placeholders names the weights that hold nothing, where that is no matter of one legitimately empty tensor: most
// floating tensors, or several weights and biases of shape [0].
func placeholders(tensors []Tensor) []string {
	var empty []string
	floats, weights := 0, 0
	for _, t := range tensors {
		if t.DType.Part() == "" {
			continue
		}
		floats++
		if !slices.Contains(t.Shape, 0) {
			continue
		}
		empty = append(empty, t.Name)
		if last := t.Name[strings.LastIndex(t.Name, ".")+1:]; len(t.Shape) == 1 && (last == "weight" || last == "bias") {
			weights++
		}
	}
	if len(empty) > 1 && 2*len(empty) > floats || weights > 1 || len(empty) == floats && floats > 0 {
		return empty
	}
	return nil
}

// The endings of names beside quantised weights, and of these themselves, as bitsandbytes, GPTQ, AWQ,
// compressed-tensors, torchao and optimum-quanto write them.
var (
	scaleEndings  = []string{".SCB", ".CB", ".absmax", ".quant_map", ".quant_state", ".nested_absmax", ".weight_scale", ".weight_scale_inv", ".weight_zero_point", ".weight_scale_2", ".weight_format", ".scales", ".zeros", ".qzeros", "_scale", "_scales", "_zero_point", "_zeros", "._scale", "._shift"}
	packedEndings = []string{".qweight", ".qzeros", ".weight_packed", ".weight._data", ".weight_int8", ".weight_int4", ".int_data", ".quantized_weight"}
)

// quantised names the tensors that are quantised weights.
func quantised(tensors []Tensor) []string {
	scales := map[string]bool{} // what such tensors belong to
	for _, t := range tensors {
		for _, e := range scaleEndings {
			if stem, ok := strings.CutSuffix(t.Name, e); ok {
				scales[stem] = true
				scales[strings.TrimSuffix(stem, ".weight")] = true
			}
		}
		if stem, _, ok := strings.Cut(t.Name, ".quant_state."); ok {
			scales[strings.TrimSuffix(stem, ".weight")] = true
		}
	}
	var out []string
	for _, t := range tensors {
		stem := strings.TrimSuffix(t.Name, ".weight")
		switch {
		case strings.HasPrefix(string(t.DType), "F8_") || strings.HasPrefix(string(t.DType), "F6_") || t.DType == "F4":
		case t.DType.Part() != "" || t.DType == "BOOL" || t.DType == "I64" || t.DType == "U64":
			continue
		case slices.ContainsFunc(packedEndings, func(e string) bool { return strings.HasSuffix(t.Name, e) }):
		case (scales[stem] || scales[t.Name]) && len(t.Shape) > 0 && !slices.ContainsFunc(scaleEndings, func(e string) bool { return strings.HasSuffix(t.Name, e) }):
		case stem != t.Name && len(t.Shape) > 1: // integers as a module's weight
		default:
			continue
		}
		out = append(out, fmt.Sprintf("%s (%s)", t.Name, t))
	}
	return out
}
