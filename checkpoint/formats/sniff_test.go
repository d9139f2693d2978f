package formats

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// TestCalledWhatItIs: files that only look like checkpoints, by the names that users give them.
func TestCalledWhatItIs(t *testing.T) {
	tarOf := func(names ...string) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, n := range names {
			if err := w.WriteHeader(&tar.Header{Name: n, Size: 1, Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	zipOf := func(names ...string) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for _, n := range names {
			if _, err := w.Create(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	table := make([]byte, 64) // LevelDB's
	copy(table[56:], "\x57\xfb\x80\x8b\x24\x75\x47\xdb")
	table[0] = 1
	for _, c := range []struct {
		file, data, want string
	}{
		{"epoch_1.pt", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 19332096\n", "git lfs pull"},
		{"model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 19332096\n", "git lfs pull"},
		{"epoch_1.pth", "<!DOCTYPE html><html><title>Virus scan warning</title></html>" + strings.Repeat(" ", 3000), "web page"},
		{"epoch_1.pth", "\n<html>", "web page"},
		{"a.pt", "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"},
		{"a.pt", "\x1f\x8b\x08" + strings.Repeat("\x00", 40), "gunzip"},
		{"a.pt", "\xfd7zXZ\x00" + strings.Repeat("\x00", 40), "unxz"},
		{"a.pt", "\x89HDF\r\n\x1a\n" + strings.Repeat("\x00", 200), "HDF5"},
		{"a.bin", "GGUF\x03\x00\x00\x00" + strings.Repeat("\x00", 200), "GGUF"},
		{"a.npy", "\x93NUMPY\x01\x00" + strings.Repeat("\x00", 200), "numpy"},
		{"a.pt", strings.Repeat("\x00", 4096), "only zero bytes"},
		{"a.safetensors", strings.Repeat("\x00", 4096), "only zero bytes"},
		{"a.onnx", "\x08\x07\x12\x07pytorch" + strings.Repeat("\x01", 50), "ONNX"},
		{"a.bin", "\x08\x07\x12\x07pytorch" + strings.Repeat("\x01", 50), "ONNX"},
		{"model.ckpt-10.index", string(table), "TensorFlow"},
		{"model.ckpt-10.data-00000-of-00001", "\x01\x02\x03\x04", "TensorFlow"},
		{"checkpoint", "model_checkpoint_path: \"model.ckpt-10\"\n", "TensorFlow's list"},
		{"a.pt", `{"epoch": 3}`, "JSON"},
		{"a.ckpt", "epoch: 3\nlr: 0.1\n", `text, neither a PyTorch file nor safetensors: it begins "epoch: 3`},
		{"model.nemo", string(tarOf("./model_config.yaml", "./model_weights.ckpt")), "take ./model_weights.ckpt"},
		{"a.pt", string(tarOf("sys_info", "pickle", "storages", "tensors")), "before 0.1.10"},
		{"a.tar", string(tarOf("run/epoch_1.pt")), "in it are run/epoch_1.pt"},
		{"rl_model_1000_steps.zip", string(zipOf("data", "policy.pth", "policy.optimizer.pth")), "take policy.pth"},
		{"a.keras", string(zipOf("metadata.json", "config.json", "model.weights.h5")), "Keras"},
		{"a.npz", string(zipOf("w.npy", "b.npy")), "npz"},
		{"a.zip", string(zipOf("README.md", "run/epoch_3.pt")), "take run/epoch_3.pt"},
		{"a.zip", string(zipOf("README.md")), "in it are README.md"},
		{"a.pt", "PK\x03\x04" + strings.Repeat("\x00", 100), "cut short: 104 bytes"},
	} {
		if _, err := open(t.TempDir(), c.file, []byte(c.data), checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s (%.12q…): %v, expected …%s…", c.file, c.data, err, c.want)
		}
	}
}
