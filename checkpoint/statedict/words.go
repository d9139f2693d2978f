package statedict

import (
	"slices"
	"strings"
	"unicode"
)

// words splits a key into its words, in lower case: at _ - . / and spaces, before digits, and where the case changes,
// as in lr_schedulers, optimizerG, EMAModel or model1.
func words(key string) []string {
	var out []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
		}
		word = nil
	}
	text := []rune(key)
	for i, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			end()
			continue
		}
		if n := len(word); n > 0 {
			last := word[n-1]
			switch {
			case unicode.IsDigit(r) != unicode.IsDigit(last):
				end()
			case unicode.IsUpper(r) && unicode.IsLower(last):
				end()
			case unicode.IsUpper(r) && unicode.IsUpper(last) && i+1 < len(text) && unicode.IsLower(text[i+1]):
				end() // the M of EMAModel
			}
		}
		word = append(word, r)
	}
	end()
	return out
}

// hasWord says whether a key has one of some words in it.
func hasWord(key string, some ...string) bool {
	return slices.ContainsFunc(words(key), func(w string) bool { return slices.Contains(some, w) })
}

// besideWords are the words of keys under which tensors stand that are not the model's.
var besideWords = []string{
	"optim", "optims", "optimizer", "optimizers", "optimiser", "optimisers", "sched", "scheduler", "schedulers", "scaler", "gradscaler", "callback", "callbacks",
	"rng", "meter", "meters", "criterion", "dataloader", "dataloaders", "hparams", "hyperparams", "hyperparameters",
}

// besideKeys are whole keys of that kind, by their words.
var besideKeys = []string{"amp", "args", "cfg", "config", "loops", "opt", "sampler", "samplers", "extra state", "train iterator", "random state", "random states", "hyper parameters", "hyper params", "averaging state", "message hub"}

// beside says whether a key is one of those.
func beside(key string) bool {
	return hasWord(key, besideWords...) || slices.Contains(besideKeys, strings.Join(words(key), " "))
}
