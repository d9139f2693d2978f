package importer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// lay writes checkpoints of one network, each with weights of its own: "NAME" or "NAME = SEED", where equal seeds are equal
// weights. A name that ends in / is a folder with model.safetensors in it; other endings than .safetensors are fine too,
// for what a file is does not depend on its name. "NAME < TEXT" writes a file of text, "NAME > TARGET" a link.
func lay(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		name, text, isText := strings.Cut(name, " < ")
		seed := i + 1
		if n, s, ok := strings.Cut(name, " = "); ok {
			name = n
			if _, err := fmt.Sscan(s, &seed); err != nil {
				t.Fatal(err)
			}
		}
		if link, target, ok := strings.Cut(name, " > "); ok {
			if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			path = filepath.Join(path, "model.safetensors")
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if isText {
			_, err = io.WriteString(f, strings.ReplaceAll(text, `\n`, "\n"))
		} else {
			tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{2}}})
			err = safetensors.Write(f, tensors, nil, []byte{byte(seed), 0, 0, 60, 0, 0, 0, 61})
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// told is what was understood of a folder: each checkpoint as "NAME epoch[/step]", and the notes.
func told(t testing.TB, paths []string, base string, o Options) (list []string, notes string, err error) {
	t.Helper()
	u, err := Understand(paths, o)
	if err != nil {
		return nil, "", err
	}
	base, err = filepath.Abs(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range u.Checkpoints {
		rel, err := filepath.Rel(base, c.Source)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s %s", filepath.ToSlash(rel), plain(c.Epoch))
		if !u.StepsUnknown {
			text += fmt.Sprintf("/%d", c.Step)
		}
		list = append(list, text)
	}
	return list, notesOf(u, "\n"), nil
}

// TestLayouts: which files of a folder are the checkpoints, in which order, of which epochs and steps, and what is said.
func TestLayouts(t *testing.T) {
	for about, c := range map[string]struct {
		files []string
		o     Options
		want  []string
		notes []string // parts of them
		quiet bool     // no notes
	}{
		// Scores, settings and versions are not when.
		"score with a dash":       {files: []string{"weights.01-0.91.pt", "weights.02-0.73.pt", "weights.10-0.45.pt"}, want: []string{"weights.01-0.91.pt 1", "weights.02-0.73.pt 2", "weights.10-0.45.pt 10"}},
		"score, underscore":       {files: []string{"ckpt_1_0.91.pth", "ckpt_2_0.73.pth", "ckpt_10_0.69.pth"}, want: []string{"ckpt_1_0.91.pth 1", "ckpt_2_0.73.pth 2", "ckpt_10_0.69.pth 10"}},
		"whole score":             {files: []string{"model-001-71.pth", "model-002-80.pth", "model-010-79.pth"}, want: []string{"model-001-71.pth 1", "model-002-80.pth 2", "model-010-79.pth 10"}, notes: []string{"zeros in front"}},
		"e and acc":               {files: []string{"resnet18_e1_acc71.25.pth", "resnet18_e10_acc88.pth"}, want: []string{"resnet18_e1_acc71.25.pth 1", "resnet18_e10_acc88.pth 10"}, quiet: true},
		"metric before epoch":     {files: []string{"C--val_wer=0.13-epoch=1.pt", "C--val_wer=0.1-epoch=2.pt", "C--val_wer=nan-epoch=3.pt"}, want: []string{"C--val_wer=0.13-epoch=1.pt 1", "C--val_wer=0.1-epoch=2.pt 2", "C--val_wer=nan-epoch=3.pt 3"}, quiet: true},
		"ordinal":                 {files: []string{"1st_epoch.pt", "2nd_epoch.pt", "15th_epoch.pt"}, want: []string{"1st_epoch.pt 1", "2nd_epoch.pt 2", "15th_epoch.pt 15"}, quiet: true},
		"number before the word":  {files: []string{"2epoch.pt", "12epoch.pt"}, want: []string{"2epoch.pt 2", "12epoch.pt 12"}, quiet: true},
		"steps after the number":  {files: []string{"rl_model_1000_steps.pt", "rl_model_20000_steps.pt"}, want: []string{"rl_model_1000_steps.pt 1/1000", "rl_model_20000_steps.pt 2/20000"}},
		"thousands":               {files: []string{"step_1M.pt", "step_500k.pt", "step_1.5M.pt"}, want: []string{"step_500k.pt 1/500000", "step_1M.pt 2/1000000", "step_1.5M.pt 3/1500000"}},
		"dates":                   {files: []string{"m_20240106_080000.pt", "m_20240105_112233.pt", "m_20240105_101010.pt"}, want: []string{"m_20240105_101010.pt 1", "m_20240105_112233.pt 2", "m_20240106_080000.pt 3"}, notes: []string{"hold dates"}},
		"a date that stays":       {files: []string{"2024-01-05_net_3.pt", "2024-01-05_net_12.pt"}, want: []string{"2024-01-05_net_3.pt 3", "2024-01-05_net_12.pt 12"}},
		"large even numbers":      {files: []string{"ckpt_10000.pt", "ckpt_20000.pt", "ckpt_30000.pt"}, want: []string{"ckpt_10000.pt 1/10000", "ckpt_20000.pt 2/20000", "ckpt_30000.pt 3/30000"}, notes: []string{"taken for steps"}},
		"epoch and step, no word": {files: []string{"m_1_500.pt", "m_2_1000.pt", "m_10_5000.pt"}, want: []string{"m_1_500.pt 1/500", "m_2_1000.pt 2/1000", "m_10_5000.pt 10/5000"}, notes: []string{"epochs and their steps"}},
		"several of an epoch":     {files: []string{"epoch=0-step=500.ckpt", "epoch=0-step=1000.ckpt", "epoch=1-step=1500.ckpt"}, want: []string{"epoch=0-step=500.ckpt 1/500", "epoch=0-step=1000.ckpt 2/1000", "epoch=1-step=1500.ckpt 3/1500"}, notes: []string{"several checkpoints are of one epoch"}},
		"several, by pattern":     {files: []string{"epoch=0-step=500.ckpt", "epoch=0-step=1000.ckpt"}, o: Options{Pattern: "epoch=*-step={step}.ckpt", StepsPerEpoch: 500}, want: []string{"epoch=0-step=500.ckpt 1/500", "epoch=0-step=1000.ckpt 2/1000"}},
		"batches":                 {files: []string{"ep0-ba1000-rank0.pt", "ep0-ba2000-rank0.pt"}, want: []string{"ep0-ba1000-rank0.pt 1/1000", "ep0-ba2000-rank0.pt 2/2000"}},
		"a text of their own":     {files: []string{"step1-ab.pt", "step2-cd.pt", "step3-ef.pt"}, want: []string{"step1-ab.pt 1/1", "step2-cd.pt 2/2", "step3-ef.pt 3/3"}},
		"digests in names":        {files: []string{"m_5_a8f3b2.pt", "m_10_12fca8.pt", "m_11_0ba61e.pt"}, want: []string{"m_5_a8f3b2.pt 5", "m_10_12fca8.pt 10", "m_11_0ba61e.pt 11"}},
		"seconds since 1970":      {files: []string{"m_1700000500.pt", "m_1700000000.pt"}, want: []string{"m_1700000000.pt 1", "m_1700000500.pt 2"}, notes: []string{"hold dates"}},
		"by pattern, numbers":     {files: []string{"epoch=1-step=10.pt", "epoch=2-step=20.pt", "epoch=2-step=20-v1.pt"}, o: Options{Pattern: "epoch={epoch}-step=#.pt"}, want: []string{"epoch=1-step=10.pt 1", "epoch=2-step=20.pt 2"}},
		"exponents":               {files: []string{"net_1_1.5e-03.pt", "net_2_9.1e-02.pt", "net_3_8e-01.pt"}, want: []string{"net_1_1.5e-03.pt 1", "net_2_9.1e-02.pt 2", "net_3_8e-01.pt 3"}},
		"a rate that decays":      {files: []string{"net_ep1_lr0.1.pt", "net_ep2_lr1e-2.pt"}, want: []string{"net_ep1_lr0.1.pt 1", "net_ep2_lr1e-2.pt 2"}, quiet: true},
		"steps with an exponent":  {files: []string{"step_1e5.pt", "step_2e5.pt", "step_1e6.pt"}, want: []string{"step_1e5.pt 1/100000", "step_2e5.pt 2/200000", "step_1e6.pt 3/1000000"}},
		"commas in thousands":     {files: []string{"step_1,000.pt", "step_2,000.pt"}, want: []string{"step_1,000.pt 1/1000", "step_2,000.pt 2/2000"}},
		"minutes are no millions": {files: []string{"m_1_2024-01-05_11h1m.pt", "m_2_2024-01-05_12h2m.pt"}, want: []string{"m_1_2024-01-05_11h1m.pt 1", "m_2_2024-01-05_12h2m.pt 2"}},
		"percent":                 {files: []string{"net_1_71%.pt", "net_2_80%.pt"}, want: []string{"net_1_71%.pt 1", "net_2_80%.pt 2"}},
		"top1 and its score":      {files: []string{"net-1-top1-71.pt", "net-2-top1-80.pt"}, want: []string{"net-1-top1-71.pt 1", "net-2-top1-80.pt 2"}},
		"words in camelCase":      {files: []string{"netEpoch1Step5.pt", "netEpoch2Step10.pt"}, want: []string{"netEpoch1Step5.pt 1/5", "netEpoch2Step10.pt 2/10"}, quiet: true},
		"an epoch of several":     {files: []string{"epoch_1_of_2.pt", "epoch_2_of_2.pt"}, want: []string{"epoch_1_of_2.pt 1", "epoch_2_of_2.pt 2"}, quiet: true},
		"iterations from 0":       {files: []string{"model_0004999.pth", "model_0009999.pth"}, want: []string{"model_0004999.pth 1/4999", "model_0009999.pth 2/9999"}, notes: []string{"taken for steps"}},
		"Lightning, a metric":     {files: []string{"epoch=1-val_loss=0.9.ckpt", "epoch=4-val_loss=0.8.ckpt"}, want: []string{"epoch=1-val_loss=0.9.ckpt 2", "epoch=4-val_loss=0.8.ckpt 5"}, notes: []string{"Lightning counts"}},
		"epochs from 0, by steps": {files: []string{"epoch_1_step_200.pt", "epoch_3_step_400.pt"}, want: []string{"epoch_1_step_200.pt 2/200", "epoch_3_step_400.pt 4/400"}, notes: []string{"the steps say that the epochs are counted from 0"}},
		"epochs from 1, by steps": {files: []string{"epoch_1_step_100.pt", "epoch_3_step_300.pt"}, want: []string{"epoch_1_step_100.pt 1/100", "epoch_3_step_300.pt 3/300"}, quiet: true},
		// What stands beside a series.
		"best, a copy":        {files: []string{"model_epoch_1.pt = 1", "model_epoch_3.pt = 3", "best_model_epoch_3.pt = 3"}, want: []string{"model_epoch_1.pt 1", "model_epoch_3.pt 3"}, notes: []string{"best_model_epoch_3.pt (the weights of model_epoch_3.pt once more)"}},
		"last, a copy":        {files: []string{"epoch_1.pt = 1", "epoch_2.pt = 2", "last.pt = 2"}, want: []string{"epoch_1.pt 1", "epoch_2.pt 2"}, notes: []string{"last.pt (the weights of epoch_2.pt once more)"}},
		"final, its own":      {files: []string{"epoch_1.pt", "epoch_2.pt", "epoch_3_final.pt"}, want: []string{"epoch_1.pt 1", "epoch_2.pt 2"}, notes: []string{"epoch_3_final.pt (its name says the last; it is of epoch 3, of which there is no other"}},
		"an average":          {files: []string{"epoch_9.pt", "epoch_10.pt", "avg_10.pt"}, want: []string{"epoch_9.pt 9", "epoch_10.pt 10"}, notes: []string{"avg_10.pt (its name says an average)"}},
		"saved twice":         {files: []string{"epoch=1-step=10.pt = 1", "epoch=2-step=20.pt = 2", "epoch=2-step=20-v1.pt = 2"}, want: []string{"epoch=1-step=10.pt 2/10", "epoch=2-step=20.pt 3/20"}, notes: []string{"epoch=2-step=20-v1.pt (the weights of epoch=2-step=20.pt once more)"}},
		"all of them best":    {files: []string{"best_epoch_3.pt", "best_epoch_7.pt"}, want: []string{"best_epoch_3.pt 3", "best_epoch_7.pt 7"}, quiet: true},
		"optimizers beside":   {files: []string{"epoch_1.pt", "epoch_2.pt", "optimizer.pt < x", "rng_state_0.pth < x", "training_args.bin < x"}, want: []string{"epoch_1.pt 1", "epoch_2.pt 2"}, quiet: true},
		"a pattern of series": {files: []string{"a_epoch_1.pt", "b_epoch_1.pt", "b_epoch_2.pt"}, o: Options{Pattern: "b_epoch_{epoch}.pt"}, want: []string{"b_epoch_1.pt 1", "b_epoch_2.pt 2"}, notes: []string{"a_epoch_1.pt (the pattern does not match its name)"}},
		"all saved twice":     {files: []string{"e_1-v1.pt = 1", "e_1.pt = 1", "e_2-v1.pt = 2", "e_2.pt = 2", "e_3-v1.pt = 3", "e_3.pt = 3", "e_4-v1.pt = 4", "e_4.pt = 4", "e_5-v1.pt = 5", "e_5.pt = 5", "e_6-v1.pt = 6", "e_6.pt = 6"}, want: []string{"e_1.pt 1", "e_2.pt 2", "e_3.pt 3", "e_4.pt 4", "e_5.pt 5", "e_6.pt 6"}, notes: []string{"e_1-v1.pt, e_2-v1.pt, e_3-v1.pt, e_4-v1.pt and 2 more (each the weights of another once more"}},
		"in two formats":      {files: []string{"epoch_1.pt = 1", "epoch_2.pt = 2", "epoch_1.safetensors = 1"}, want: []string{"epoch_1.pt 1", "epoch_2.pt 2"}, notes: []string{"epoch_1.safetensors (the weights of epoch_1.pt once more)"}},
		// Folders.
		"output folder":          {files: []string{"checkpoint-500/", "checkpoint-1000/", "model.safetensors"}, o: Options{StepsPerEpoch: 500}, want: []string{"checkpoint-500 1/500", "checkpoint-1000 2/1000"}, notes: []string{"model.safetensors is left out"}},
		"output folder, one yet": {files: []string{"checkpoint-500/", "model.safetensors"}, o: Options{StepsPerEpoch: 500}, want: []string{"checkpoint-500 1/500"}, notes: []string{"model.safetensors is left out"}},
		"trainer_state":          {files: []string{"checkpoint-500/", `checkpoint-500/trainer_state.json < {"epoch": 0.5, "global_step": 500}`, "checkpoint-1000/", `checkpoint-1000/trainer_state.json < {"epoch": 1.0, "global_step": 1000, "x": NaN}`}, want: []string{"checkpoint-500 0.5/500", "checkpoint-1000 1/1000"}, quiet: true},
		"an adapter's folders":   {files: []string{"checkpoint-100/adapter_model.safetensors", "checkpoint-100/optimizer.pt < x", "checkpoint-200/adapter_model.safetensors", "checkpoint-200/optimizer.pt < x"}, want: []string{"checkpoint-100/adapter_model.safetensors 1/100", "checkpoint-200/adapter_model.safetensors 2/200"}},
		"SpeechBrain":            {files: []string{"CKPT+2024-01-05+11-00-00+00/model.ckpt", `CKPT+2024-01-05+11-00-00+00/CKPT.yaml < WER: 12.3\nepoch: 4\n`, "CKPT+2024-01-05+11-00-00+00/brain.ckpt < x", "CKPT+2024-01-06+09-00-00+00/model.ckpt", `CKPT+2024-01-06+09-00-00+00/CKPT.yaml < epoch: 5\n`}, want: []string{"CKPT+2024-01-05+11-00-00+00/model.ckpt 4", "CKPT+2024-01-06+09-00-00+00/model.ckpt 5"}},
		"WeNet":                  {files: []string{"epoch_1.pt", `epoch_1.yaml < epoch: 1\nstep: 700\nloss_dict:\n  loss: 2.5\n`, "epoch_2.pt", `epoch_2.yaml < epoch: 2\nstep: 1400\nloss_dict:\n  loss: 2\n`}, want: []string{"epoch_1.pt 1/700", "epoch_2.pt 2/1400"}, notes: []string{"of 2 of 2 checkpoints, what lies in or beside them says val/loss"}},
		"the end of a Trainer's log": {files: []string{"checkpoint-5/", `checkpoint-5/trainer_state.json < {"epoch": 1, "global_step": 5, "total_flos": 7, "log_history": [{"epoch": 1, "step": 5, "loss": 3, "learning_rate": 0.1}]}`,
			"checkpoint-9/", `checkpoint-9/trainer_state.json < {"epoch": 2, "global_step": 9, "total_flos": 9, "log_history": [{"epoch": 2, "step": 9, "train_loss": 4, "train_runtime": 60}]}`},
			want: []string{"checkpoint-5 1/5", "checkpoint-9 2/9"}, notes: []string{"of 2 of 2 checkpoints, what lies in or beside them says lr, train/loss, train/total_flos"}},
		"a run's folder":         {files: []string{"version_0/checkpoints/epoch=0-step=10.ckpt", "version_0/checkpoints/epoch=1-step=20.ckpt", "version_0/hparams.yaml < {}"}, want: []string{"version_0/checkpoints/epoch=0-step=10.ckpt 1/10", "version_0/checkpoints/epoch=1-step=20.ckpt 2/20"}, notes: []string{"the checkpoints are those of", "checkpoints"}},
		"diffusers":              {files: []string{"checkpoint-500/unet/diffusion_pytorch_model.safetensors", "checkpoint-1000/unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.safetensors"}, want: []string{"checkpoint-500/unet/diffusion_pytorch_model.safetensors 1/500", "checkpoint-1000/unet/diffusion_pytorch_model.safetensors 2/1000"}, notes: []string{"unet/diffusion_pytorch_model.safetensors is left out"}},
		"DeepSpeed's in HF's":    {files: []string{"checkpoint-500/", "checkpoint-500/global_step500/mp_rank_00_model_states.pt", "checkpoint-1000/", "checkpoint-1000/global_step1000/mp_rank_00_model_states.pt"}, want: []string{"checkpoint-500 1/500", "checkpoint-1000 2/1000"}},
		"a model above a series": {files: []string{"model.pt", "checkpoints/epoch_1.pt", "checkpoints/epoch_2.pt"}, want: []string{"checkpoints/epoch_1.pt 1", "checkpoints/epoch_2.pt 2"}, notes: []string{"left out: model.pt"}},
		"others above a series":  {files: []string{"a.pt", "b.pt", "checkpoints/epoch_1.pt", "checkpoints/epoch_2.pt"}, want: []string{"checkpoints/epoch_1.pt 1", "checkpoints/epoch_2.pt 2"}, notes: []string{"left out: a.pt, b.pt"}},
		"MLflow":                 {files: []string{"artifacts/model_1/data/model.pth", "artifacts/model_2/data/model.pth"}, want: []string{"artifacts/model_1/data/model.pth 1", "artifacts/model_2/data/model.pth 2"}},
		"Hydra":                  {files: []string{"outputs/2024-01-05/10-10-10/logs/version_0/checkpoints/epoch_1.pt"}, want: []string{"outputs/2024-01-05/10-10-10/logs/version_0/checkpoints/epoch_1.pt 1"}},
		"left aside, once":       {files: []string{"step_1/model.pt", "step_1/train.pt < x", "step_2/model.pt", "step_2/train.pt < x"}, want: []string{"step_1/model.pt 1/1", "step_2/model.pt 2/2"}, notes: []string{"of step_1, step_2: model.pt, it is called model; left aside: train.pt"}},
		"sentence-transformers":  {files: []string{"model.safetensors", "modules.json < []", "2_Dense/model.safetensors", "3_Dense/model.safetensors"}, want: []string{". 1"}},
		"a hub's cache":          {files: []string{"snapshots/0123abcd/model.safetensors", "snapshots/4567abcd/model.safetensors", "snapshots/89abcdef/model.safetensors", "refs/step1000 < 4567abcd", "refs/step2000 < 0123abcd", "refs/main < 0123abcd"}, want: []string{"snapshots/4567abcd 1/1000", "snapshots/0123abcd 2/2000"}, notes: []string{"main (the weights of step2000 once more)", "snapshot 89abcdef is left out"}},
		"a link to nothing":      {files: []string{"epoch_1.pt", "epoch_2.pt", "epoch_3.pt > nowhere.pt"}, want: []string{"epoch_1.pt 1", "epoch_2.pt 2"}, notes: []string{"epoch_3.pt is left out: a link to a file that is not there"}},
		"a folder in a folder":   {files: []string{"epoch_1/model/pytorch_model.bin", "epoch_2/model/pytorch_model.bin"}, want: []string{"epoch_1/model/pytorch_model.bin 1", "epoch_2/model/pytorch_model.bin 2"}, quiet: true},
	} {
		t.Run(about, func(t *testing.T) {
			dir := lay(t, c.files...)
			list, notes, err := told(t, []string{dir}, dir, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(list, c.want) {
				t.Errorf("%q, expected %q", list, c.want)
			}
			for _, n := range c.notes {
				if !strings.Contains(notes, n) {
					t.Errorf("notes %q, expected …%s…", notes, n)
				}
			}
			if c.quiet && notes != "" {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// Caches of two models are two runs, though each has a step 1000.
func TestTwoHubs(t *testing.T) {
	dir := lay(t, "a/snapshots/01/model.safetensors", "a/snapshots/02/model.safetensors", "a/refs/step1000 < 01", "a/refs/step2000 < 02",
		"b/snapshots/03/model.safetensors", "b/snapshots/04/model.safetensors", "b/refs/step3000 < 03", "b/refs/step4000 < 04")
	_, _, err := told(t, []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}, dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "are caches of two models, each with checkpoints of its own: they are 2 runs, and one is asked for") {
		t.Error(err)
	}
}

// TestAsks: what can be read in two ways, or cannot be told, is an error that shows what there is.
func TestAsks(t *testing.T) {
	for about, c := range map[string]struct {
		files []string
		want  []string // parts of the error
	}{
		"two numbers":          {[]string{"m_1_70.pt", "m_2_72.pt", "m_3_69.pt"}, []string{"several numbers", "'m_{epoch}_#.pt'  takes 1, 2, 3", "'m_#_{epoch}.pt'  takes 69, 70, 72"}},
		"two runs":             {[]string{"m_epoch_1.pt", "m_epoch_2.pt", "blur_m_epoch_2.pt"}, []string{"2 series", "--pattern 'm_epoch_{epoch}.pt'  (2, 1 to 2)", "--pattern 'blur_m_epoch_{epoch}.pt'  (1, 2)"}},
		"two folds":            {[]string{"fold1_epoch1.pt", "fold1_epoch2.pt", "fold2_epoch1.pt", "fold2_epoch2.pt"}, []string{"same epoch", "'fold1_epoch{epoch}.pt'  (2, 1 to 2)", "'fold2_epoch{epoch}.pt'  (2, 1 to 2)"}},
		"two seeds":            {[]string{"seed1_epoch1.pt", "seed2_epoch2.pt", "seed2_epoch3.pt"}, []string{"2 series", "'seed1_epoch{epoch}.pt'  (1, 1)", "'seed2_epoch{epoch}.pt'  (2, 2 to 3)"}},
		"two EMAs":             {[]string{"snapshot-008-0.050.pt", "snapshot-008-0.100.pt", "snapshot-016-0.050.pt", "snapshot-016-0.100.pt"}, []string{"same number, 8", "'snapshot-{epoch}-0.050.pt'  (2, 8 to 16)"}},
		"dates of six digits":  {[]string{"m_240101.pt", "m_240102.pt", "m_240130.pt"}, []string{"may be dates", "'m_{step}.pt'", "'m_{epoch}.pt'"}},
		"days first":           {[]string{"m_01-02-2024.pt", "m_02-02-2024.pt"}, []string{"--pattern says where"}},
		"one file by chance":   {[]string{"a/epoch_1.pt", "a/epoch_2.pt", "b/epoch_3.pt"}, []string{"2 folders below", "a  (2)", "b  (1)"}},
		"a model beside parts": {[]string{"epoch_1/model.pt", "epoch_1/wav2vec2.pt", "epoch_2/model.pt", "epoch_2/wav2vec2.pt"}, []string{"model.pt is called as models are, but others have numbers"}},
		"Keras":                {[]string{"weights.01.h5 < x", "weights.02.h5 < x"}, []string{"weights.01.h5 and 1 more: Keras' weights"}},
		"two clocks":           {[]string{"epoch-1.pt", "epoch-2.pt", "checkpoint-4000.pt"}, []string{"2 series", "checkpoint-4000.pt", "'epoch-{epoch}.pt'"}},
		"two stages":           {[]string{"stage1-step10.pt", "stage1-step20.pt", "stage2-step10.pt"}, []string{"same step", "'stage1-step{step}.pt'  (2, 10 to 20)", "'stage2-step{step}.pt'  (1, 10)"}},
		"a file saved anew":    {[]string{"epoch=1-step=10.pt", "epoch=2-step=20.pt", "epoch=2-step=20-v1.pt"}, []string{"'epoch={epoch}-step=#.pt'  (2, 1 to 2)", "-v1.pt'"}},
		"the same epoch":       {[]string{"a_epoch_1.pt", "a_epoch_01.pt"}, []string{"a_epoch_1.pt", "a_epoch_01.pt", "same epoch"}},
		"some of the shards":   {[]string{"checkpoint-1/model.safetensors", "checkpoint-2/model-00001-of-00002.safetensors"}, []string{"of 2 shards there are 1 (model-00001-of-00002.safetensors …), and the index"}},
		"one of the shards":    {[]string{"model-00001-of-00002.safetensors"}, []string{"one of 2 shards of a checkpoint, which is named by its folder"}},
		"shards":               {[]string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}, []string{"parts of one checkpoint", "index"}},
		"several runs":         {[]string{"v0/checkpoints/epoch_1.pt", "v0/checkpoints/epoch_2.pt", "v1/checkpoints/epoch_1.pt", "v1/checkpoints/epoch_2.pt"}, []string{"2 folders below", "v0/checkpoints", "v1/checkpoints"}},
		"files without a name": {[]string{"epoch_1/a.pt", "epoch_1/b.pt", "epoch_2/a.pt", "epoch_2/b.pt"}, []string{"none is called as models are", "a.pt, b.pt"}},
		"one such folder":      {[]string{"epoch_1/model.pt", "epoch_2/a.pt", "epoch_2/b.pt"}, []string{"epoch_2", "none is called as models are"}},
		"no numbers":           {[]string{"a.pt", "b.pt"}, []string{"--pattern says where"}},
	} {
		dir := lay(t, c.files...)
		_, _, err := told(t, []string{dir}, dir, defaults)
		for _, want := range c.want {
			if err == nil || !strings.Contains(spoken(err), want) {
				t.Errorf("%s: %v, expected …%s…", about, err, want)
			}
		}
	}
}

// TestNamed: files that were named on their own are never left out, and patterns are met as a shell would.
func TestNamed(t *testing.T) {
	dir := lay(t, "epoch_1.pt", "epoch_2.pt", "best.pt", "r1/epoch_1.pt", "r2/epoch_2.pt")
	at := func(names ...string) []string {
		for i := range names {
			names[i] = filepath.Join(dir, names[i])
		}
		return names
	}
	for about, c := range map[string]struct{ paths, want []string }{
		"two of them":        {at("epoch_2.pt", "epoch_1.pt"), []string{"epoch_1.pt 1", "epoch_2.pt 2"}},
		"a pattern":          {at("epoch_*.pt"), []string{"epoch_1.pt 1", "epoch_2.pt 2"}},
		"twice":              {at("epoch_*.pt", "epoch_1.pt"), []string{"epoch_1.pt 1", "epoch_2.pt 2"}},
		"one of each folder": {at("r?/epoch_*.pt"), []string{"r1/epoch_1.pt 1", "r2/epoch_2.pt 2"}},
	} {
		if list, _, err := told(t, c.paths, dir, defaults); err != nil || !slices.Equal(list, c.want) {
			t.Errorf("%s: %q, %v", about, list, err)
		}
	}
	for want, paths := range map[string][]string{"best.pt was named with the others": at("epoch_1.pt", "epoch_2.pt", "best.pt"), "nothing is called so": at("x_*.pt")} {
		if _, _, err := told(t, paths, dir, defaults); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, expected …%s…", paths, err, want)
		}
	}
	if r, err := trajectory.Create(filepath.Join(dir, "run"), formats.Files{}, trajectory.Meta{Run: "run"}); err != nil {
		t.Fatal(err)
	} else if r.Close(); true {
		if _, _, err := told(t, at("run"), dir, defaults); err == nil || !strings.Contains(err.Error(), "a trajectory already") {
			t.Errorf("a trajectory: %v", err)
		}
		above := t.TempDir()
		if err := os.Rename(filepath.Join(dir, "run"), filepath.Join(above, "run")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := told(t, []string{above}, dir, defaults); err == nil || !strings.Contains(err.Error(), "holds trajectories") {
			t.Errorf("a folder of trajectories: %v", err)
		}
	}
	for path, one := range map[string]bool{"epoch_1.pt": true, ".": false, "r1": false, "none": false} {
		if got := IsOne(filepath.Join(dir, path)); got != one {
			t.Errorf("%s is one checkpoint: %v", path, got)
		}
	}
}

// TestLogOrigin: which row of a log is a checkpoint's, whether the one or the other counts from 0.
func TestLogOrigin(t *testing.T) {
	lightning := []string{"epoch=0-step=100.ckpt", "epoch=1-step=200.ckpt", "epoch=2-step=300.ckpt"}
	fromOne := []string{"epoch_1.pt", "epoch_2.pt", "epoch_3.pt"}
	fromZero := []string{"epoch_0.pt", "epoch_1.pt", "epoch_2.pt"}
	rows := func(first, last int) string {
		text := "epoch,val_loss\n"
		for e := first; e <= last; e++ {
			text += fmt.Sprintf("%d,%d\n", e, e)
		}
		return text
	}
	for about, c := range map[string]struct {
		files []string
		log   string
		o     Options
		want  []float64 // val/loss of each; NaN for none is left out here: they cover all
		err   string
		notes string
	}{
		"Lightning, by step":  {lightning, "epoch,step,train_loss,val_loss\n0,99,,1\n0,99,5,\n1,199,,2\n1,199,4,\n2,299,,3\n2,299,3,\n", defaults, []float64{1, 2, 3}, "", "counts from 0"},
		"Lightning, by epoch": {lightning, rows(0, 2), defaults, []float64{0, 1, 2}, "", "first"},
		"the rest by epoch":   {lightning, `{"epoch":1,"iter":100,"mode":"train","loss":9}{"epoch":1,"iter":7,"mode":"val","loss":1}{"epoch":2,"iter":200,"mode":"train","loss":9}{"epoch":2,"iter":7,"mode":"val","loss":2}{"epoch":3,"iter":300,"mode":"train","loss":9}{"epoch":3,"iter":7,"mode":"val","loss":3}`, defaults, []float64{1, 2, 3}, "", "no row of val/loss has a checkpoint's step: matched by epoch"},
		"by step":             {lightning, "step,val_loss\n50,9\n100,1\n150,9\n200,2\n250,9\n300,3\n", defaults, []float64{1, 2, 3}, "", "matched by step:"},
		"both from 1":         {fromOne, rows(1, 3), defaults, []float64{1, 2, 3}, "", "matched by epoch:"},
		"log from 0":          {fromOne, rows(0, 2), defaults, []float64{0, 1, 2}, "", "counts from 0"},
		"both from 0":         {fromZero, rows(0, 2), defaults, []float64{0, 1, 2}, "", "matched by epoch:"},
		"two ways":            {fromOne, rows(0, 3), defaults, nil, "--log-offset 1  gives epoch_3.pt the row of epoch 2", ""},
		"two ways, said":      {fromOne, rows(0, 3), Options{LogOffset: offset(0)}, []float64{1, 2, 3}, "", ""},
		"from 0 and from 1":   {fromZero, rows(1, 3), defaults, []float64{1, 2, 3}, "", "-1 is added"},
		"a longer log":        {fromOne, rows(1, 90), defaults, []float64{1, 2, 3}, "", ""},
		"not of them":         {fromOne, rows(7, 9), defaults, nil, "none of its 3 rows", ""},
	} {
		dir := lay(t, c.files...)
		c.o.Log = filepath.Join(dir, "log.csv")
		if err := os.WriteFile(c.o.Log, []byte(c.log), 0o644); err != nil {
			t.Fatal(err)
		}
		u, err := Understand([]string{dir}, c.o)
		if c.err != "" {
			if err == nil || !strings.Contains(spoken(err), c.err) {
				t.Errorf("%s: %v, expected …%s…", about, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", about, err)
			continue
		}
		var got []float64
		for _, f := range u.Checkpoints {
			got = append(got, float64(f.Metrics["val/loss"]))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: val/loss %v, expected %v", about, got, c.want)
		}
		if notes := notesOf(u, "\n"); !strings.Contains(notes, c.notes) && c.notes != "first" || !strings.Contains(notes, "is matched by") {
			t.Errorf("%s: notes %q", about, notes)
		}
	}
}

// TestColumns: what the columns of a log are kept as, the same at every run.
func TestColumns(t *testing.T) {
	for about, c := range map[string]struct {
		log  string
		want string // NAME=VALUE of the second row, sorted
		note string
	}{
		"accuracy beside val_accuracy": {"epoch,accuracy,loss,val_accuracy,val_loss\n1,0.80,0.9,0.763,1.0\n2,0.85,0.8,0.775,0.9\n", "train/loss=0.8 train/top1=85 val/loss=0.9 val/top1=77.5", "percent"},
		"accuracy alone":               {"epoch,accuracy\n1,50\n2,60\n", "val/top1=60", "taken for that of validation"},
		"not a fraction":               {"epoch,val_acc\n1,0.5\n2,1.5\n", "val/top1=1.5", ""},
		"two of one name":              {"epoch,val_acc,val_accuracy\n1,10,20\n2,11,21\n", "val/top1=11 val/val_accuracy=21", "the other is kept as"},
		"time of an iteration":         {`{"epoch":1,"time":0.002,"loss":1}` + "\n" + `{"epoch":2,"time":0.002,"loss":2}`, "train/loss=2", "does not rise"},
		"NaN of Python":                {`{"epoch": 1, "val_loss": NaN, "note": "Infinity, \"NaN\""}` + "\n" + `{"epoch": 2, "val_loss": -Infinity}`, "val/loss=-Inf", ""},
		"a list":                       {`[{"epoch":1,"val_loss":3},{"epoch":2,"val_loss":4}]`, "val/loss=4", ""},
		"trainer_state":                {`{"epoch": 2.0, "log_history": [{"epoch": 1.0, "step": 5, "eval_loss": 3}, {"epoch": 2.0, "step": 10, "eval_loss": 4}]}`, "val/loss=4", ""},
		"Keras' history":               {`{"loss": [5, 6], "val_loss": [7, 8]}`, "train/loss=6 val/loss=8", ""},
		"byte-order mark":              {"\ufeffepoch,val_loss\n1,3\n2,4\n", "val/loss=4", ""},
		"semicolons":                   {"epoch;val_loss;lr\n1;0,5;1e-3\n2;0,25;1e-3\n", "lr=0.001 val/loss=0.25", ""},
		"tabs":                         {"epoch\tval_loss\n1\t3\n2\t4\n", "val/loss=4", ""},
		"ragged":                       {"epoch,loss,val_loss\n1,0.9,1\n2,0.8\n", "train/loss=0.8", "fewer fields"},
		"a column of splits":           {"epoch,phase,loss,acc\n1,train,5,50\n1,val,6,51\n2,train,7,60\n2,val,8,61\n", "train/loss=7 train/top1=60 val/loss=8 val/top1=61", ""},
		"objects in rows":              {`{"epoch":1,"train":{"loss":5}}{"epoch":2,"train":{"loss":6},"val":{"loss":7}}`, "train/loss=6 val/loss=7", ""},
		"objects by epoch":             {`{"1":{"val_loss":5},"2":{"val_loss":6}}`, "val/loss=6", ""},
		"a history and its settings":   {`{"val_loss":[5,6],"epochs":90,"name":"x"}`, "val/loss=6", ""},
		"spaces":                       {" epoch   loss  val_loss\n     1      5         6\n     2      7         8\n", "train/loss=7 val/loss=8", ""},
		"comments":                     {"# a run\n# lr 0.1\nepoch,val_loss\n1,5\n# resumed\n2,6\n", "val/loss=6", ""},
		"the header a comment":         {"# epoch,val_loss\n1,5\n2,6\n", "val/loss=6", ""},
		"the split behind":             {"epoch,loss_train,loss_val,Validation Accuracy (%)\n1,5,6,50\n2,7,8,60\n", "train/loss=7 val/loss=8 val/top1=60", ""},
		"percent signs":                {"epoch,val_acc\n1,50%\n2,60%\n", "val/top1=60", ""},
		"texts":                        {"epoch,loss,val_loss\n1,5,tensor(6)\n2,7,tensor(8)\n", "train/loss=7", `without numbers: val_loss ("tensor(6)")`},
		"the fuller column":            {`{"log_history":[{"epoch":1,"loss":5},{"epoch":2,"loss":6},{"epoch":2,"train_loss":9}]}`, "train/loss=6 train/train_loss=9", "loss is, for it has more rows"},
		"rows that differ":             {"epoch,val_loss\n1,5\n2,6\n2,7\n", "val/loss=7", "the last counts: val/loss (6, 7)"},
		"the header once more":         {"epoch,val_loss\n1,5\nepoch,val_loss\n2,6\n", "val/loss=6", "line 3 is the header once more"},
		"not of all":                   {"epoch,loss,val_loss\n1,5,\n2,7,8\n", "train/loss=7 val/loss=8", "not in the rows of all checkpoints: val/loss for 1 of 2"},
		"nothing kept":                 {"epoch,foo\n1,5\n2,6\n", "", "none of its columns is kept"},
		"before the first epoch":       {"epoch,val_loss\n-1,9\n0,5\n1,6\n", "val/loss=6", "counts from 0"},
		"Lightning's means":            {"epoch,train_loss_step,train_loss_epoch\n1,9,3\n2,9,4\n", "train/loss=4 train/loss_step=9", ""},
	} {
		for range 3 {
			dir := lay(t, "epoch_1.pt", "epoch_2.pt")
			path := filepath.Join(dir, "log")
			if err := os.WriteFile(path, []byte(c.log), 0o644); err != nil {
				t.Fatal(err)
			}
			u, err := Understand([]string{dir}, Options{Log: path})
			if err != nil {
				t.Errorf("%s: %v", about, err)
				break
			}
			f := u.Checkpoints[1]
			var parts []string
			for k, v := range f.Metrics {
				parts = append(parts, fmt.Sprintf("%s=%v", k, float64(v)))
			}
			if f.LR != nil {
				parts = append(parts, fmt.Sprintf("lr=%v", *f.LR))
			}
			slices.Sort(parts)
			if got := strings.Join(parts, " "); got != c.want {
				t.Errorf("%s: %s, expected %s", about, got, c.want)
			}
			if notes := notesOf(u, "\n"); !strings.Contains(notes, c.note) {
				t.Errorf("%s: notes %q, expected …%s…", about, notes, c.note)
			}
		}
	}
}

// TestCopyInAnotherOrder: a copy is one in whatever order its file has the tensors, as formats differ in that.
func TestCopyInAnotherOrder(t *testing.T) {
	dir := t.TempDir()
	one, two := checkpoint.Tensor{Name: "a", DType: checkpoint.F32, Shape: []int64{1}}, checkpoint.Tensor{Name: "b", DType: checkpoint.F32, Shape: []int64{1}}
	for name, c := range map[string]struct {
		tensors []checkpoint.Tensor
		data    string
	}{"epoch_1.pt": {[]checkpoint.Tensor{one, two}, "aaaabbbb"}, "epoch_1.safetensors": {[]checkpoint.Tensor{two, one}, "bbbbaaaa"}, "epoch_2.pt": {[]checkpoint.Tensor{one, two}, "bbbbaaaa"}} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(safetensors.Write(f, checkpoint.Arrange(c.tensors), nil, []byte(c.data)), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	list, notes, err := told(t, []string{dir}, dir, Options{})
	if err != nil || !slices.Equal(list, []string{"epoch_1.pt 1", "epoch_2.pt 2"}) || !strings.Contains(notes, "epoch_1.safetensors (the weights of epoch_1.pt once more)") {
		t.Errorf("%q, %q, %v", list, notes, err)
	}
}

// A log of very many columns is read in no time, and what is passed over is said.
func TestWideLog(t *testing.T) {
	dir := lay(t, "epoch_1.pt", "epoch_2.pt")
	var log strings.Builder
	log.WriteString("epoch,val_loss")
	for i := range 100_000 {
		fmt.Fprintf(&log, ",a%d", i)
	}
	for e := 1; e <= 2; e++ {
		fmt.Fprintf(&log, "\n%d,%d%s", e, e, strings.Repeat(",1", 100_000))
	}
	path := filepath.Join(dir, "log.csv")
	if err := os.WriteFile(path, []byte(log.String()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	u, err := Understand([]string{dir}, Options{Log: path})
	if err != nil {
		t.Fatal(err)
	}
	if v := u.Checkpoints[1].Metrics["val/loss"]; v != 2 || !strings.Contains(notesOf(u, "\n"), "more than 2000 columns") {
		t.Errorf("val/loss %v, notes %q", v, u.Notes)
	}
}
