package checkpoint

import (
	"slices"
	"strings"
)

// LowRank says whether a tensor is a factor of a low-rank adapter (Hu et al. 2021, arXiv 2106.09685), by its name. The mean of such
// factors is not the factors of the mean of their products.
func LowRank(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "."), func(s string) bool {
		return s == "lora_A" || s == "lora_B" || s == "lora_embedding_A" || s == "lora_down"
	})
}
