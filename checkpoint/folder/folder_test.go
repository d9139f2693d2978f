package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWithin: what a folder holds, and which of it is the model's. "" is a folder that is not one checkpoint.
func TestWithin(t *testing.T) {
	for name, c := range map[string]struct{ files, want, says string }{
		"own loop":               {"model.pth optimizer.pth", "model.pth", "called model"},
		"own loop, more":         {"model.pt optim.pt scheduler.pt ema.pt", "model.pt", "left aside: ema.pt"},
		"PEFT":                   {"adapter_model.safetensors optimizer.pt rng_state.pth scheduler.pt training_args.bin trainer_state.json", "adapter_model.safetensors", "PEFT"},
		"DeepSpeed":              {"mp_rank_00_model_states.pt zero_pp_rank_0_mp_rank_00_optim_states.pt zero_pp_rank_1_mp_rank_00_optim_states.pt", "mp_rank_00_model_states.pt", "DeepSpeed"},
		"ZeRO-3":                 {"zero_pp_rank_0_mp_rank_00_model_states.pt zero_pp_rank_1_mp_rank_00_model_states.pt bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt", "zero_pp_rank_0_mp_rank_00_model_states.pt", "DeepSpeed"},
		"DeepSpeed of HF":        {"global_step1/mp_rank_00_model_states.pt rng_state_0.pth scheduler.pt zero_to_fp32.py", "global_step1/mp_rank_00_model_states.pt", "global_step1/"},
		"HF over DeepSpeed":      {"global_step1/mp_rank_00_model_states.pt model.safetensors", "model.safetensors", "HuggingFace"},
		"SpeechBrain":            {"model.ckpt brain.ckpt counter.ckpt scheduler.ckpt normalizer.ckpt CKPT.yaml dataloader-TRAIN.ckpt", "model.ckpt", "called model"},
		"diffusers":              {"unet/diffusion_pytorch_model.safetensors unet/config.json optimizer.bin scheduler.bin random_states_0.pkl", "unet/diffusion_pytorch_model.safetensors", "unet/"},
		"diffusers with EMA":     {"unet/diffusion_pytorch_model.safetensors unet_ema/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.safetensors", "left aside: unet_ema"},
		"FSDP of the Trainer":    {"pytorch_model_fsdp_0/.metadata pytorch_model_fsdp_0/__0_0.distcp optimizer_0/.metadata trainer_state.json", "pytorch_model_fsdp_0", "distributed.checkpoint"},
		"OLMo-core":              {"model_and_optim/.metadata train/rank0.pt", "model_and_optim", "distributed.checkpoint"},
		"Megatron":               {"mp_rank_00/model_optim_rng.pt", "mp_rank_00/model_optim_rng.pt", "Megatron"},
		"Megatron, two ranks":    {"mp_rank_00/model_optim_rng.pt mp_rank_01/model_optim_rng.pt", "", "convert.py"},
		"Lightning's DeepSpeed":  {"checkpoint/mp_rank_00_model_states.pt checkpoint/zero_pp_rank_0_mp_rank_00_optim_states.pt zero_to_fp32.py latest", "checkpoint/mp_rank_00_model_states.pt", "checkpoint/"},
		"accelerate":             {"model.safetensors optimizer.bin scheduler.bin random_states_0.pkl sampler.bin custom_checkpoint_0.pkl", "model.safetensors", "HuggingFace"},
		"accelerate, folder":     {"model/pytorch_model.bin optimizer.bin", "model/pytorch_model.bin", "model/"},
		"shards":                 {"model.safetensors.index.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors", "model.safetensors.index.json", "shards"},
		"several":                {"generator.pth discriminator.pth optimizer.pth", "", "discriminator.pth, generator.pth"},
		"only one":               {"net.pth optimizer.pth", "", "only file"},
		"series":                 {"epoch_1.pt epoch_2.pt", "", "epoch_1.pt, epoch_2.pt"},
		"series beside a model":  {"epoch_1.pt epoch_2.pt model.pt", "", "3 files"},
		"series of folders":      {"global_step1/mp_rank_00_model_states.pt global_step2/mp_rank_00_model_states.pt", "", "no file"},
		"SavedModel":             {"saved_model.pb variables/variables.index", "", "TensorFlow"},
		"nothing":                {"optimizer.pt README.md", "", "no file"},
		"a link within a folder": {"model.pth", "model.pth", ""},
	} {
		dir := filepath.Join(t.TempDir(), "checkpoint-1")
		for _, f := range strings.Fields(c.files) {
			path := filepath.Join(dir, f)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		path, why, err := Within(dir)
		var none *NotOne
		switch {
		case c.want == "" && (!errors.As(err, &none) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %s, %v, expected …%s…", name, path, err, c.says)
		case c.want != "" && (err != nil || path != filepath.Join(dir, c.want) || !strings.Contains(why, c.says)):
			t.Errorf("%s: %s (%s), %v, expected %s (…%s…)", name, path, why, err, c.want, c.says)
		}
	}
}
