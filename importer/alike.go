package importer

import (
	"fmt"
	"maps"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// alike says whether the checkpoints hold the same tensors, and the same kind of weights.
func alike(all []opened) error {
	first := all[0].c
	for _, a := range all {
		if err := sameKind(first, a.c); err != nil {
			return hint.With(fmt.Errorf("%s: %w: %d of %d differ so from %s: name those that are alike", a.path, err, unlike(all), len(all), all[0].base()), "skip", "leaves tensors out")
		}
		if averaged(a.c) != averaged(first) {
			return hint.With(fmt.Errorf("%s holds %s, %s %s", a.base(), kind(a.c), all[0].base(), kind(first)), "key", "says which of their state dicts to take")
		}
	}
	return nil
}

// averaged says whether a checkpoint's weights are known to be an average.
func averaged(c checkpoint.Checkpoint) bool {
	return c.About().Weights == checkpoint.EMA || c.About().Weights == checkpoint.Average
}

// kind says which weights they are, and by what that is known.
func kind(c checkpoint.Checkpoint) string {
	switch c.About().Weights {
	case "":
		return "weights"
	case checkpoint.EMA:
		return fmt.Sprintf("an EMA of the weights (%s)", c.About().WeightsWhy)
	case checkpoint.Average:
		return fmt.Sprintf("an average of the weights (%s)", c.About().WeightsWhy)
	}
	return fmt.Sprintf("the raw weights (%s)", c.About().WeightsWhy)
}

// sameKind says whether two checkpoints hold the same tensors, tied alike.
func sameKind(first, c checkpoint.Checkpoint) error {
	if err := checkpoint.SameTensors(first.Tensors(), c.Tensors()); err != nil {
		return err
	}
	if !maps.Equal(first.Tied(), c.Tied()) {
		return fmt.Errorf("its tied tensors are others than those of %s", first.About().Path)
	}
	return nil
}

// unlike counts the checkpoints that hold other tensors than the first.
func unlike(all []opened) int {
	n := 0
	for _, a := range all {
		if sameKind(all[0].c, a.c) != nil {
			n++
		}
	}
	return n
}
