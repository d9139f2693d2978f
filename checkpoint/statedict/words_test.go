package statedict

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	for key, want := range map[string][]string{
		"model_parameters": {"model", "parameters"}, "optimizerG": {"optimizer", "g"}, "EMAModel": {"ema", "model"}, "model.ema-2": {"model", "ema", "2"}, "G_EMA": {"g", "ema"},
		"netD1": {"net", "d", "1"}, "_orig_mod": {"orig", "mod"}, "": nil, "größe/αβ": {"größe", "αβ"},
	} {
		if got := words(key); !slices.Equal(got, want) {
			t.Errorf("%q: %q, expected %q", key, got, want)
		}
	}
	for _, key := range []string{"model_parameters", "upscaler", "hypernetwork", "hyper_net", "parameters", "randomizer", "optimus", "adopt", "configurator", "callbackless"} {
		if beside(key) {
			t.Errorf("%s is taken for what stands beside the model", key)
		}
	}
	for _, key := range []string{"optimizer", "optimizer_states", "optimizerG", "last_optimizer_state", "optim", "lr_schedulers", "grad_scaler", "scaler", "callbacks", "torch_rng_state", "hyper_parameters", "extra_state", "loss_meters", "averaging_state", "criterion"} {
		if !beside(key) {
			t.Errorf("%s is not known to stand beside the model", key)
		}
	}
}
