// Package other tells what files are that people take for checkpoints, and are none that is read: of other programs,
// compressed, cut short, or no weights at all. It says what to do with them.
package other

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
)

// magics are the first bytes of files that people take for checkpoints, and what they are.
var magics = []struct{ magic, what string }{
	{"version https://git-lfs.github.com/spec/", "a git-lfs pointer, not the file that it stands for: git lfs pull fetches that"},
	{"\x1f\x8b", "compressed by gzip: gunzip it"},
	{"\xfd7zXZ\x00", "compressed by xz: unxz it"},
	{"\x28\xb5\x2f\xfd", "compressed by Zstandard: unzstd it"},
	{"BZh", "compressed by bzip2: bunzip2 it"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it"},
	{"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes weights (.h5): load them there and save them with safetensors.numpy.save_file"},
	{"GGUF", "GGUF: weights quantised for llama.cpp, which cannot be averaged; average the checkpoints that it was made from"},
	{"\x93NUMPY", "one array of numpy (.npy), without a name: numpy.load it, and save a dict of arrays with safetensors.numpy.save_file"},
	{"%PDF-", "a PDF document"},
	{"\x7fELF", "a program (ELF)"},
}

// otherPrograms are the names of checkpoints that are not read, and what to do with them.
var otherPrograms = []struct{ pattern, what string }{
	{"*.h5", "Keras' weights (HDF5): load them there and save them with safetensors.numpy.save_file"},
	{"*.hdf5", "Keras' weights (HDF5): load them there and save them with safetensors.numpy.save_file"},
	{"*.keras", "a Keras model: load it there and save the weights with safetensors.numpy.save_file"},
	{"*.index", "a TensorFlow checkpoint: load it there and save the variables with safetensors.numpy.save_file"},
	{"*.msgpack", "Flax' parameters: load them there and save them with safetensors.flax.save_file"},
	{"manifest.ocdbt", "an Orbax checkpoint of JAX: restore it there and save the parameters with safetensors.flax.save_file"},
	{"*.pdparams", "PaddlePaddle's parameters: load them there and save them with safetensors.paddle.save_file"},
	{"*.gguf", "weights quantised for llama.cpp, which cannot be averaged; average the checkpoints that they were made from"},
	{"*.npz", "numpy's arrays: numpy.load them, and save them with safetensors.numpy.save_file"},
	{"*.onnx", "an ONNX graph: average the checkpoints that it was exported from"},
	{"*.nemo", "a NeMo archive (tar): unpack it (tar -xf)"},
	{"*.zip", "a zip archive: if it is of Stable-Baselines3, unzip it into a folder of its name, and policy.pth in it is taken"},
	{"*.tar.gz", "a compressed archive: unpack it"},
	{"*.tgz", "a compressed archive: unpack it"},
}

// Program says of which program's checkpoints a name is that are not read, and what to do; "" of other names.
func Program(name string) string {
	for _, o := range otherPrograms {
		if ok, _ := filepath.Match(o.pattern, strings.ToLower(name)); ok {
			return o.what
		}
	}
	return ""
}

// What says what a file is that is no checkpoint, by its first bytes; "" if it may be one. Safetensors files
// are known before: their first eight bytes are a length.
func What(f *checkpoint.File, head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.what
		}
	}
	switch ext := strings.ToLower(filepath.Ext(f.Path())); {
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return tarArchive(f)
	case len(bytes.Trim(head, "\x00")) == 0:
		return "only zero bytes, as an interrupted copy leaves: neither a PyTorch file nor safetensors"
	case ext == ".onnx" || head[0] == 0x08 && len(head) > 2 && head[1] < 32 && head[2] == 0x12 && (bytes.Contains(head, []byte("pytorch")) || bytes.Contains(head, []byte("onnx"))):
		return "an ONNX graph: average the checkpoints that it was exported from"
	case ext == ".index" && f.Size() >= 48 && leveldb(f):
		return "the index of a TensorFlow checkpoint: load it there and save the variables with safetensors.numpy.save_file"
	case strings.HasPrefix(ext, ".data-"):
		return "the data of a TensorFlow checkpoint: load it there and save the variables with safetensors.numpy.save_file"
	}
	return textFile(head)
}

// leveldb says whether a file ends as the tables of LevelDB do, which TensorFlow's indexes are.
func leveldb(f *checkpoint.File) bool {
	var foot [8]byte
	_, err := f.ReadAt(foot[:], f.Size()-8)
	return err == nil && binary.LittleEndian.Uint64(foot[:]) == 0xdb4775248b80fb57
}

// textFile says what a text is; "" of what is none.
func textFile(head []byte) string {
	if n := len(head); n == checkpoint.HeadBytes { // the last character may be cut
		for len(head) > n-4 && !utf8.Valid(head) {
			head = head[:len(head)-1]
		}
	}
	if !utf8.Valid(head) || bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r\f\v", r) }) {
		return ""
	}
	text := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(head), "\uFEFF"), " \t\r\n"))
	begins := fmt.Sprintf("it begins %q", strings.TrimSpace(firstRunes(string(head), 40)))
	switch {
	case strings.HasPrefix(text, "<!doctype html") || strings.HasPrefix(text, "<html") || strings.HasPrefix(text, "<head"):
		return "a web page (HTML), as a download leaves that needed a login or a confirmation"
	case strings.HasPrefix(text, "<"):
		return "XML or HTML, not a checkpoint: " + begins
	case strings.HasPrefix(text, "model_checkpoint_path:"):
		return "TensorFlow's list of its checkpoints, not one of them"
	case strings.HasPrefix(text, "{") || strings.HasPrefix(text, "["):
		return "JSON, neither a PyTorch file nor safetensors: " + begins
	case PickledText(text):
		return ""
	}
	return "text, neither a PyTorch file nor safetensors: " + begins
}

// PickledText says whether a text may be a pickle of protocol 0, which is text: of a dict, a list, or a class.
func PickledText(text string) bool {
	for _, p := range []string{"(dp", "(lp", "(d.", "(l.", "ccopy_reg\n", "ccollections\n", "cnumpy"} {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}

func firstRunes(s string, n int) string {
	r := []rune(s)
	return string(r[:min(n, len(r))])
}

// tarArchive says what a tar archive is, by the names in it.
func tarArchive(f *checkpoint.File) string {
	names := map[string]string{} // by their last element
	var first []string
	for r := tar.NewReader(io.NewSectionReader(f, 0, f.Size())); len(first) < 64; {
		h, err := r.Next()
		if err != nil {
			break
		}
		name := firstRunes(h.Name, 80)
		names[filepath.Base(name)] = name
		first = append(first, name)
	}
	switch {
	case names["model_weights.ckpt"] != "" || names["model_config.yaml"] != "":
		inside := "the model's weights"
		if at := names["model_weights.ckpt"]; at != "" {
			inside = at
		}
		return fmt.Sprintf("a NeMo archive (tar): unpack it (tar -xf), and take %s", inside)
	case names["storages"] != "" && names["tensors"] != "":
		return "a tar archive: PyTorch wrote such files before 0.1.10; load and save it with a current one"
	case len(first) > 0:
		return "a tar archive, not a checkpoint: unpack it (tar -xf); in it are " + checkpoint.Few(first, 4)
	}
	return "a tar archive, not a checkpoint: unpack it (tar -xf)"
}

// Zip says what a zip archive is that torch.save did not write, by the names in it.
func Zip(files []*zip.File) string {
	var names []string
	has := func(name string) bool { return slices.Contains(names, name) }
	arrays := len(files) > 0
	for _, f := range files[:min(len(files), 1000)] {
		names = append(names, firstRunes(f.Name, 80))
		arrays = arrays && strings.HasSuffix(f.Name, ".npy")
	}
	switch {
	case has("policy.pth"):
		return "a zip archive of Stable-Baselines3: unzip it, and take policy.pth"
	case has("model.weights.h5"):
		return "a Keras model (.keras): load it there and save the weights with safetensors.numpy.save_file"
	case arrays:
		return "a zip archive of numpy's arrays (.npz): numpy.load it, and save the arrays with safetensors.numpy.save_file"
	case has("MAR-INF/MANIFEST.json"):
		return "a TorchServe archive (.mar): unzip it, and take the weights in it"
	case len(names) == 0:
		return "an empty zip archive"
	}
	for _, n := range names {
		if folder.MayBeWeights(filepath.Base(n)) {
			return fmt.Sprintf("a zip archive that torch.save did not write: unzip it, and take %s", n)
		}
	}
	return "a zip archive that torch.save did not write; in it are " + checkpoint.Few(names, 4)
}
