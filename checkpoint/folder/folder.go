// Package folder knows which file of a folder is the model of a checkpoint, by the names that frameworks give it.
//
// It believes that names tell: what is called as no framework calls its model is not taken for one, and what is taken is
// said, with what was left aside.
package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// DCPMetadata is the file by which torch.distributed.checkpoint's folders are known.
const DCPMetadata = ".metadata"

// IndexEnding ends the names of indexes of shards: model.safetensors.index.json.
const IndexEnding = ".index.json"

// endings are those of files that may hold weights.
var endings = []string{".pt", ".pth", ".th", ".tar", ".ckpt", ".bin", ".safetensors", ".pkl"}

// modelNames are the files that frameworks give the model of a checkpoint's folder, best first; "*" is any text.
// Alternatives of one line are of one framework.
var modelNames = []struct{ pattern, why string }{
	{"model.safetensors.index.json", "HuggingFace's index of shards"},
	{"pytorch_model.bin.index.json", "HuggingFace's index of shards"},
	{"diffusion_pytorch_model.safetensors.index.json", "diffusers' index of shards"},
	{"model.safetensors", "HuggingFace's name of the model"},
	{"pytorch_model.bin", "HuggingFace's name of the model"},
	{"diffusion_pytorch_model.safetensors", "diffusers' name of the model"},
	{"diffusion_pytorch_model.bin", "diffusers' name of the model"},
	{"adapter_model.safetensors", "PEFT's name of an adapter"},
	{"adapter_model.bin", "PEFT's name of an adapter"},
	{"pytorch_lora_weights.safetensors", "diffusers' name of an adapter"},
	{"mp_rank_00_model_states.pt", "DeepSpeed's name of the model"},
	{"model_optim_rng.pt", "Megatron's name of the model"},
	{"model_rng.pt", "Megatron's name of the model"},
	{"model_weights.ckpt", "NeMo's name of the model"},
	{"model.ckpt", "it is called model"},
	{"model.pt", "it is called model"},
	{"model.pth", "it is called model"},
	{"model.bin", "it is called model"},
	{"model.pth.tar", "it is called model"},
	{"model_state.*", "it is called model_state"},
	{"model_state_dict.*", "it is called model_state_dict"},
	{"state_dict.*", "it is called state_dict"},
	{"weights.*", "it is called weights"},
	{"policy.pth", "Stable-Baselines3's name of the model"},
	{"consolidated.safetensors", "the consolidated model"},
	{"consolidated.00.pth", "the consolidated model"},
}

// modelFolders are the folders within a checkpoint's folder in which the model may lie, best first.
var modelFolders = []string{"pytorch_model_fsdp_0", "model_and_optim", "model", "transformer", "unet", "prior", "controlnet", "checkpoint", "weights", "mp_rank_00", "global_step*", "release"}

// besideFile matches the files of a checkpoint's folder that are never the model's: optimizers, schedules, random
// states, counters.
var besideFile = regexp.MustCompile(`(?i)^(optim|optimizer|opt|scheduler|sched|lr_scheduler|rng_state|random_states?|scaler|grad_?scaler|training_args|trainer_state|train_state|training_state|trainer|brain|counter|dataloader|sampler|scheduler_states?|args|config|tokenizer|vocab|vocabulary|normalizer|custom_checkpoint|ema_config|distrib_optim|meta|extra_state|metrics|history)([-_.]?[0-9]+)?(\.[a-z.]+)$|` +
	`(?i)(optim_states|optimizer_states?|rng_state|random_states|dataloader)[-_.0-9a-z]*\.[a-z.]+$|^(optimizer|scheduler|rng_state|random_states|scaler|training_args|dataloader)[-_.]`)

// ofMany matches files that are one of several of one checkpoint: shards and ranks.
var ofMany = regexp.MustCompile(`(?i)(-[0-9]{5}-of-[0-9]{5}\.|mp_rank_[0-9]+|zero_pp_rank_|_rank_?[0-9]+[._]|^__[0-9]+_[0-9]+\.distcp)`)

// ofShards matches HuggingFace's shards.
var ofShards = regexp.MustCompile(`^(model|pytorch_model|diffusion_pytorch_model|adapter_model)(\.[a-z0-9]+)?-[0-9]{5}-of-([0-9]{5})\.(safetensors|bin)$`)

// Shards is how many files make a checkpoint together of which one has a name, as HuggingFace calls them; 1 where it has none such.
func Shards(name string) int {
	m := ofShards.FindStringSubmatch(name)
	if m == nil {
		return 1
	}
	n, _ := strconv.Atoi(m[3])
	return n
}

// NotOne says that a folder is not known to be one checkpoint.
type NotOne struct {
	Dir   string
	Files []string // names of the files in it that may hold weights; none is known to be the model's
	// Reason says why the folder, though a checkpoint, has no file to take; "" where that is not known.
	Reason string
	Model  string // the one that is called as models are, where the others are numbered; ""
}

func (e *NotOne) Error() string {
	switch n := len(e.Files); {
	case e.Reason != "":
		return fmt.Sprintf("%s: %s", e.Dir, e.Reason)
	case n == 0:
		return fmt.Sprintf("%s: no file of weights in the folder", e.Dir)
	case n == 1:
		return fmt.Sprintf("%s: %s is the only file in the folder that may hold weights, but is not called as models are", e.Dir, e.Files[0])
	case e.Model != "":
		return fmt.Sprintf("%s: %d files in the folder: %s is called as models are, but others have numbers, as files of a series have: %s", e.Dir, n, e.Model, checkpoint.Few(e.Files, 8))
	default:
		return fmt.Sprintf("%s: %d files in the folder, and none is called as models are: %s", e.Dir, n, checkpoint.Few(e.Files, 8))
	}
}

// Within finds the model in a folder that is one checkpoint: a file, an index of shards, or the folder (or one in it)
// of torch.distributed.checkpoint. why says by what it was known, and what of the folder is left aside. A folder that
// is not known to be one checkpoint is a *NotOne, which lists the files that may be one each. Folders of numbered
// checkpoints beside the model's file are not looked at: whoever takes a folder for one looks for those first.
func Within(dir string) (path, why string, err error) { return within(dir, 2) }

func within(dir string, levels int) (path, why string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", "", err
	}
	var files, folders []string
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name())) // follows links
		switch {
		case err != nil:
		case info.IsDir():
			folders = append(folders, e.Name())
		case e.Name() == DCPMetadata && info.Mode().IsRegular():
			return dir, "a folder of torch.distributed.checkpoint", nil
		case info.Mode().IsRegular() && MayBeWeights(e.Name()):
			files = append(files, e.Name())
		}
	}
	for _, n := range folders {
		if n == "pytorch_model_fsdp_0" { // before a file: the Trainer writes only the one or the other
			if path, _, err := within(filepath.Join(dir, n), 0); err == nil {
				return path, n + ", the Trainer's folder of torch.distributed.checkpoint", nil
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "saved_model.pb")); err == nil {
		return "", "", &NotOne{Dir: dir, Reason: "a SavedModel of TensorFlow's: load it there and save the variables with safetensors.numpy.save_file"}
	}
	name, why := bestFile(dir, files)
	others := slices.DeleteFunc(slices.Clone(files), func(f string) bool { return f == name || ofMany.MatchString(f) })
	if name != "" && !slices.ContainsFunc(others, numbered) {
		if len(others) > 0 {
			why += "; left aside: " + checkpoint.Few(others, 5)
		}
		return filepath.Join(dir, name), name + ", " + why, nil
	}
	none := &NotOne{Dir: dir, Files: others}
	shards := slices.DeleteFunc(slices.Clone(files), func(f string) bool { return Shards(f) == 1 })
	if name == "" && len(shards) > 0 && len(shards) < Shards(shards[0]) {
		none.Reason = fmt.Sprintf("of %d shards there are %d (%s …), and the index that says what is in which (such as model.safetensors%s) is not there", Shards(shards[0]), len(shards), shards[0], IndexEnding)
	}
	if name != "" {
		none.Files, none.Model = append([]string{name}, others...), name
	}
	if len(files) == 0 || name == "" && !slices.ContainsFunc(others, numbered) {
		path, why, err := inFolders(dir, folders, levels)
		if path != "" || err != nil {
			if path != "" && len(others) > 0 {
				why += "; left aside: " + checkpoint.Few(others, 5)
			}
			return path, why, err
		}
	}
	return "", "", none
}

// MayBeWeights says whether a file may be one of weights, by its name: no optimizer's, schedule's or random state's.
func MayBeWeights(name string) bool {
	if strings.HasSuffix(name, ".safetensors"+IndexEnding) || strings.HasSuffix(name, ".bin"+IndexEnding) {
		return true
	}
	return slices.Contains(endings, strings.ToLower(filepath.Ext(name))) && !strings.HasPrefix(name, ".") && !besideFile.MatchString(name)
}

// numbered says whether a file's name counts something, as those of a series do.
func numbered(name string) bool { return strings.ContainsAny(name, "0123456789") }

// bestFile is the file of a folder that is called as models are.
func bestFile(dir string, files []string) (name, why string) {
	for _, m := range modelNames {
		for _, f := range files {
			if ok, _ := filepath.Match(m.pattern, f); ok {
				return f, m.why
			}
		}
	}
	// ZeRO-3 has one of each rank; that of the first says by its placeholders what it is.
	for _, f := range files {
		if f == "zero_pp_rank_0_mp_rank_00_model_states.pt" {
			return f, "DeepSpeed's name of the model"
		}
	}
	return "", ""
}

// inFolders finds the model in one of the folders of a checkpoint's folder.
func inFolders(dir string, folders []string, levels int) (path, why string, err error) {
	if levels == 0 {
		return "", "", nil
	}
	if ranks := slices.DeleteFunc(slices.Clone(folders), func(f string) bool { return !strings.HasPrefix(f, "mp_rank_") }); len(ranks) > 1 {
		return "", "", &NotOne{Dir: dir, Reason: fmt.Sprintf("Megatron's shards of %d ranks (%s): how a tensor was divided is not in the files; Megatron's tools/checkpoint/convert.py makes one of them", len(ranks), checkpoint.Few(ranks, 4))}
	}
	for _, pattern := range modelFolders {
		var found []string
		for _, f := range folders {
			if ok, _ := filepath.Match(pattern, f); ok {
				found = append(found, f)
			}
		}
		// Several global_step folders are a series, and so is the only one so far, unless it lies in a numbered folder.
		if len(found) != 1 || strings.Contains(pattern, "*") && !numbered(filepath.Base(dir)) {
			continue
		}
		path, why, err := within(filepath.Join(dir, found[0]), levels-1)
		var none *NotOne
		switch {
		case errors.As(err, &none) && none.Reason == "":
			continue
		case err != nil:
			return "", "", err
		}
		beside := slices.DeleteFunc(slices.Clone(folders), func(f string) bool {
			return f == found[0] || !strings.Contains(f, found[0]) && !slices.Contains(modelFolders, f) && !strings.HasPrefix(f, "text_encoder")
		})
		why = found[0] + "/: " + why
		if len(beside) > 0 {
			why += "; left aside: " + checkpoint.Few(beside, 5)
		}
		return path, why, nil
	}
	return "", "", nil
}

// IsCheckpoint says whether a folder is one checkpoint by names that nothing else has: torch.distributed.checkpoint's,
// and HuggingFace's. Within knows more.
func IsCheckpoint(dir string) bool {
	path, _, err := Within(dir)
	if err != nil {
		return false
	}
	name := filepath.Base(path)
	return path == dir || filepath.Dir(path) == dir && (strings.HasSuffix(name, IndexEnding) || name == "model.safetensors" || name == "pytorch_model.bin")
}
