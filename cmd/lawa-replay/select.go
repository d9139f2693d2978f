package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// selection is which averages to make: the flags that sweep and average share.
type selection struct {
	k, memory, verify, dtype  string
	schemes                   []string
	allowNonFinite, allowGaps bool
	allowFactors              bool
}

func (o *selection) flags(f *pflag.FlagSet) {
	f.StringVar(&o.k, "k", "", "averages of the latest k checkpoints: numbers and ranges, as in 1,2,4-8")
	f.StringArrayVar(&o.schemes, "scheme", nil, "a scheme such as ema:decay=0.9, or a range of them, ema:decay=0.5..0.9/0.1; may be repeated (lawa-replay schemes lists them)")
	f.StringVar(&o.dtype, "dtype", "", "round the floating tensors of averages to f32, bf16, f16 or f64 (default: to what the checkpoints have)")
	f.StringVar(&o.memory, "memory", "", memoryHelp)
	f.StringVar(&o.verify, "verify", "fast", "which digests of the checkpoints are compared: fast (XXH3 where it is recorded, else SHA-256) or sha256")
	f.BoolVar(&o.allowNonFinite, "allow-nonfinite", false, "go on though weights are NaN or infinite")
	f.BoolVar(&o.allowFactors, "allow-factors", false, "average the factors of low-rank adapters (LoRA), though that is not the average of what they add to the weights")
	f.BoolVar(&o.allowGaps, "allow-gaps", false, "go on though a window lacks checkpoints")
}

// dtypes are the types that averages can be converted to, by the names that people give them.
var dtypes = map[string]checkpoint.DType{
	"": "", "f32": checkpoint.F32, "float32": checkpoint.F32, "f64": checkpoint.F64, "float64": checkpoint.F64,
	"bf16": checkpoint.BF16, "bfloat16": checkpoint.BF16, "f16": checkpoint.F16, "float16": checkpoint.F16, "half": checkpoint.F16,
}

// parseDType reads --dtype; "" keeps what the checkpoints have.
func (o selection) parseDType() (checkpoint.DType, error) {
	d, known := dtypes[strings.ToLower(o.dtype)]
	if !known {
		return "", inFlag("dtype", spec.Unknown("dtype", o.dtype, []string{"f32", "bf16", "f16", "f64"}))
	}
	return d, nil
}

// thorough reads --verify.
func (o selection) thorough() (bool, error) {
	switch o.verify {
	case "", "fast":
		return false, nil
	case "sha256":
		return true, nil
	}
	return false, inFlag("verify", spec.Unknown("digest", o.verify, []string{"fast", "sha256"}))
}

// dataOptions say where a data set's files are, and what becomes of decoded and of broken ones.
type dataOptions struct {
	dir, cache string
	skipBroken bool
}

func (o *dataOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.dir, "data-dir", "", "folder with the data set's files")
	f.StringVar(&o.cache, "data-cache", "", "folder where images of imagefolder and imagenet are kept decoded (default: lawa-replay/data in the user's cache folder)")
	f.BoolVar(&o.skipBroken, "skip-broken", false, "leave out images of imagefolder and imagenet that cannot be decoded, and say how many")
}

// precisionUsage says what --precision takes.
const precisionUsage = "arithmetic of the forward pass: float32, tf32 (of a GPU) or bfloat16 (autocast, with PyTorch's rules which operations stay float32)"

// networkOptions say which network is run on what, and what becomes of batch-norm statistics.
type networkOptions struct {
	model, data, task, device string
	precision                 string
	files                     dataOptions
	batch                     int
	bn, bnData                string
	bnBatch                   int
}

func (o *networkOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.model, "model", "", "the network, such as resnet20 (lawa-replay list networks), or a TorchScript file such as net.ts (default: that of the trajectory, or of the config.json beside the checkpoints)")
	f.StringVar(&o.data, "data", "", "the data, such as mnist, or tensors:FILE with the tensors inputs and targets (lawa-replay list data; default: those of the trajectory)")
	o.files.flags(f)
	f.StringVar(&o.task, "task", "", "what the outputs are compared with, such as language-model (lawa-replay list tasks; default: the network's own, classification where it has none)")
	f.IntVar(&o.batch, "batch-size", 0, "examples at a time; does not change the numbers (default: 250, of language models 8)")
	f.StringVar(&o.bnData, "bn-data", "train", "for recompute: a split, train or val, or tensors:FILE with the tensor inputs")
	f.IntVar(&o.bnBatch, "bn-batch-size", 0, "batch size for recompute (default: that of training)")
	f.StringVar(&o.device, "device", "cpu", "cpu, cuda or cuda:N")
	f.StringVar(&o.precision, "precision", "", precisionUsage+" (default: that of training, if it is recorded, else float32)")
}

// factors refuses a run of low-rank adapters, unless that is allowed.
func (o selection) factors(t *trajectory.Trajectory) error {
	if o.allowFactors {
		return nil
	}
	tensors, err := t.Tensors(0)
	if err != nil {
		return err
	}
	for _, x := range tensors {
		if checkpoint.LowRank(x.Name) {
			err := fmt.Errorf("%s: %s is a factor of a low-rank adapter: the mean of factors is not the factor of the mean of their products", t.Dir, x.Name)
			return hint.With(err, "allow-factors", "averages them all the same; merging each adapter into its model first is right")
		}
	}
	return nil
}

// parseSchemes reads --k and --scheme.
func (o selection) parseSchemes() ([]averaging.Scheme, error) {
	var texts []string
	if o.k != "" {
		ks, err := spec.Ranges(o.k, 1, math.MaxInt32)
		if err != nil {
			return nil, inFlag("k", err)
		}
		for _, k := range ks {
			texts = append(texts, fmt.Sprintf("lawa:k=%d", k))
		}
	}
	texts = append(texts, o.schemes...)
	if len(texts) == 0 {
		return nil, errors.New("no scheme: give --k or --scheme")
	}
	return averaging.ParseAll(texts)
}

// splitNames splits a list of names at its commas.
func splitNames(text string) []string {
	var out []string
	for _, name := range strings.Split(text, ",") {
		if name = strings.TrimSpace(name); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// selectEpochs returns the indices of the checkpoints that text names: numbers (8, or 8.5 within an epoch)
// and ranges (1-20, with all that lies between). Each must name at least one checkpoint.
func selectEpochs(t *trajectory.Trajectory, text string) ([]int, error) {
	var out []int
	first, last := t.Checkpoints[0].Epoch, t.Checkpoints[len(t.Checkpoints)-1].Epoch
	if text == "" {
		text = fmt.Sprintf("%g-%g", first, last)
	}
	for _, part := range strings.Split(text, ",") {
		a, b, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.ParseFloat(a, 64)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseFloat(b, 64)
		}
		if err != nil || math.IsNaN(from+to) {
			return nil, fmt.Errorf("%q is neither an epoch nor a range such as 10-20", part)
		}
		const slack = trajectory.EpochSlack
		if from > to || to > last+slack || !isRange && from < first-slack {
			return nil, fmt.Errorf("%s is outside its epochs, %s to %s", part, trajectory.EpochName(first), trajectory.EpochName(last))
		}
		found := false
		for i, c := range t.Checkpoints {
			if c.Epoch >= from-slack && c.Epoch <= to+slack {
				found = true
				if !slices.Contains(out, i) {
					out = append(out, i)
				}
			}
		}
		if !found {
			return nil, fmt.Errorf("no checkpoint at %s; it has epochs %s to %s", part, trajectory.EpochName(first), trajectory.EpochName(last))
		}
	}
	return out, nil
}
