package formats

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// read is a fixture.
func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// rezip writes an archive's records anew, changed.
func rezip(t testing.TB, data []byte, method uint16, change func(name string, content []byte) (string, []byte)) []byte {
	t.Helper()
	return rewrite(t, data, func(w *zip.Writer, name string, content []byte) (io.Writer, []byte, error) {
		name, content = change(name, content)
		if content == nil {
			return nil, nil, nil
		}
		to, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		return to, content, err
	})
}

// rewrite writes an archive's records anew, each where create says, and what.
func rewrite(t testing.TB, data []byte, create func(w *zip.Writer, name string, content []byte) (io.Writer, []byte, error)) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		to, content, err := create(w, f.Name, content)
		if err == nil && to != nil {
			_, err = to.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pickledTensor is a tensor in the archive's storage 0, by pickles of its storage's size, its offset, shape and strides.
func pickledTensor(count, offset, shape, stride string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" +
		count + "tQ" + offset + "(" + shape + "t(" + stride + "t\x89}tR"
}

// open opens data as a file of the given name, and reads all of its weights.
func open(dir, name string, data []byte, o checkpoint.Options) (*stored.Checkpoint, error) {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return nil, err
	}
	return openAll(path, o)
}

// openStored opens a checkpoint whose tensors lie in records, as those of all formats do.
func openStored(path string, o checkpoint.Options) (*stored.Checkpoint, error) {
	c, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	return c.(*stored.Checkpoint), nil
}

func openAll(path string, o checkpoint.Options) (*stored.Checkpoint, error) {
	c, err := openStored(path, o)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_, err = c.WriteTo(io.Discard)
	return c, err
}

// TestMalformed: each fault is an error that names the file and the fault, at once and at no cost.
func TestMalformed(t *testing.T) {
	whole, legacy, single := read(t, "bare-2.pt"), read(t, "bare-legacy-2.pt"), read(t, "single.safetensors")
	same := func(name string, content []byte) (string, []byte) { return name, content }
	pkl := func(change func([]byte) []byte) []byte {
		return rezip(t, whole, zip.Store, func(name string, content []byte) (string, []byte) {
			if strings.HasSuffix(name, "data.pkl") {
				content = change(content)
			}
			return name, content
		})
	}
	pickled := func(text string) []byte { return pkl(func([]byte) []byte { return []byte(text) }) }
	// One tensor of a given storage size, offset, shape and stride, in the archive's storage 0 (18 floats).
	tensor := func(count, offset, shape, stride string) []byte {
		return pickled("\x80\x02}X\x01\x00\x00\x00w" + pickledTensor(count, offset, shape, stride) + "s.")
	}
	huge := "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40" // 2⁶²
	negative := "J\xff\xff\xff\xff"
	st := func(change func(string) string) []byte {
		n := binary.LittleEndian.Uint64(single)
		header := []byte(change(strings.TrimRight(string(single[8:8+n]), " ")))
		return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header, single[8+n:])
	}
	flipped := slices.Clone(whole)
	at := bytes.Index(flipped, []byte("bare-2/data/0")) + 13
	for flipped[at] == 'F' || flipped[at] == 'B' || flipped[at] == 'Z' || flipped[at] == 0 || at%64 != 0 {
		at++
	}
	flipped[at+3] ^= 1
	sizes := slices.Clone(legacy)
	count := bytes.LastIndex(sizes, []byte{0x12, 0, 0, 0, 0, 0, 0, 0}) // conv1.weight: 18 elements
	binary.LittleEndian.PutUint64(sizes[count:], 1<<63)

	for name, c := range map[string]struct {
		file string
		data []byte
		want string
	}{
		"empty .pt":                 {"a.pt", nil, "empty"},
		"empty .safetensors":        {"a.safetensors", nil, "empty"},
		"one byte":                  {"a.pt", []byte{0x80}, "cut short"},
		"text":                      {"a.pt", []byte("hello, I am a log file\n"), "neither a PyTorch file nor safetensors"},
		"tar":                       {"a.pt", slices.Concat(make([]byte, 257), []byte("ustar\x0000"), make([]byte, 300)), "a tar archive, not a checkpoint"},
		"zip cut in the middle":     {"a.pt", whole[:len(whole)/2], "cut short"},
		"zip without its last byte": {"a.pt", whole[:len(whole)-1], "zip"},
		"zip of something else":     {"a.pt", rezip(t, whole, zip.Store, func(name string, c []byte) (string, []byte) { return strings.ReplaceAll(name, "data.pkl", "x"), c }), "torch.save did not write"},
		"record twice":              {"a.pt", rezip(t, whole, zip.Store, func(name string, c []byte) (string, []byte) { return strings.ReplaceAll(name, "data/1", "data/0"), c }), "twice"},
		"record missing": {"a.pt", rezip(t, whole, zip.Store, func(name string, c []byte) (string, []byte) {
			if strings.HasSuffix(name, "data/2") {
				c = nil
			}
			return name, c
		}), "lacks the storage"},
		"record too short": {"a.pt", rezip(t, whole, zip.Store, func(name string, c []byte) (string, []byte) {
			if strings.HasSuffix(name, "data/0") {
				c = c[:40]
			}
			return name, c
		}), "40 bytes, its storage needs 72"},
		"big-endian": {"a.pt", rezip(t, whole, zip.Store, func(name string, c []byte) (string, []byte) {
			if strings.HasSuffix(name, "byteorder") {
				c = []byte("big")
			}
			return name, c
		}), "only little-endian"},
		"flipped bit in a storage":    {"a.pt", flipped, "checksum"},
		"pickle cut short":            {"a.pt", pkl(func(c []byte) []byte { return c[:len(c)/2] }), "cut short"},
		"pickle of an unknown opcode": {"a.pt", pickled("\x80\x02\xfe."), "not an opcode"},
		"os.system":                   {"a.pt", pickled("cos\nsystem\n(S'true'\ntR."), "no state dict"},
		"os.system among tensors":     {"a.pt", pickled("\x80\x02}X\x01\x00\x00\x00wcos\nsystem\n(X\x04\x00\x00\x00truetRs."), "no state dict"},
		"no tensors":                  {"a.pt", pickled("\x80\x02}X\x05\x00\x00\x00epochK\x03s."), "its keys are epoch"},
		"storage of 2⁶² elements":     {"a.pt", tensor(huge, "K\x00", "K\x02", "K\x01"), "a storage of"},
		"storage of negative size":    {"a.pt", tensor(negative, "K\x00", "K\x02", "K\x01"), "a storage of -1"},
		"offset beyond the storage":   {"a.pt", tensor("K\x12", "K\x11", "K\x02", "K\x01"), "in a storage of 18"},
		"shape of 2⁶²":                {"a.pt", tensor("K\x12", "K\x00", huge, "K\x00"), "overflows"},
		"expanded to 2⁴⁰":             {"a.pt", tensor("K\x12", "K\x00", "\x8a\x06\x00\x00\x00\x00\x00\x01", "K\x00"), "more than the files hold"},
		"strides that overflow":       {"a.pt", tensor("K\x12", "K\x00", "K\x03K\x03", huge+huge), "overflows"},
		"strides out of the storage":  {"a.pt", tensor("K\x12", "K\x00", "K\x04", "K\x06"), "in a storage of 18"},
		"negative stride":             {"a.pt", tensor("K\x12", "K\x00", "K\x02", negative), "numbers from 0 on"},
		"shape without strides":       {"a.pt", tensor("K\x12", "K\x00", "K\x02", ""), "with strides"},

		"legacy cut in a storage":         {"a.pt", legacy[:len(legacy)-1], "cut short"},
		"legacy cut in a pickle":          {"a.pt", legacy[:100], "cut short"},
		"legacy without storages":         {"a.pt", legacy[:count-4], "cut short"},
		"legacy size of 2⁶³":              {"a.pt", sizes, "its object says"},
		"pickle that torch did not write": {"a.pkl", []byte("\x80\x04K\x01."), "no state dict in it: it is no dict"},

		"header of 2⁶³ bytes":     {"a.safetensors", binary.LittleEndian.AppendUint64(nil, 1<<63), "header claims"},
		"header longer than file": {"a.safetensors", single[:20], "header claims"},
		"cut by one byte":         {"a.safetensors", single[:len(single)-1], "cut short"},
		"one byte too many":       {"a.safetensors", append(slices.Clone(single), 0), "longer than written"},
		"overlap":                 {"a.safetensors", st(func(s string) string { return strings.Replace(s, `"data_offsets":[8,`, `"data_offsets":[0,`, 1) }), "starts at"},
		"offsets out of range": {"a.safetensors", st(func(s string) string {
			return strings.Replace(s, `"data_offsets":[0,8]`, `"data_offsets":[0,9223372036854775807]`, 1)
		}), "its offsets hold"},
		"shape that overflows": {"a.safetensors", st(func(s string) string {
			return strings.Replace(s, `"shape":[2,1,3,3]`, `"shape":[4294967296,4294967296]`, 1)
		}), "overflows"},
		"two of a name": {"a.safetensors", st(func(s string) string { return strings.Replace(s, "bn1.bias", "fc.bias", 1) }), "stands twice"},

		"as it was": {"a.pt", rezip(t, whole, zip.Store, same), ""},
		"deflated":  {"a.pt", rezip(t, whole, zip.Deflate, same), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := open(dir, c.file, c.data, checkpoint.Options{})
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Join(dir, c.file))):
				t.Errorf("%v, expected the file's name and …%s…", err, c.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
				t.Errorf("%d bytes were allocated for a file of %d", used, len(c.data))
			}
			if took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A sparse file of 5 GB that is nothing, and one whose tensors are read only where they are.
func TestSparseFile(t *testing.T) {
	dir := t.TempDir()
	const size = 5 << 30
	sparse := func(name string, head []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, head, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Skip("no sparse files here:", err)
		}
		return path
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, want := range map[string]string{"a.pt": "neither a PyTorch file", "a.safetensors": "only zero bytes"} {
		if _, err := Open(sparse(name, nil), checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(sparse("zip.pt", []byte("PK\x03\x04")), checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "zip") {
		t.Errorf("zip: %v", err)
	}
	header := `{"w":{"dtype":"F32","shape":[1342177257],"data_offsets":[0,5368709028]}}`
	header += strings.Repeat(" ", size-5368709028-8-len(header))
	path := sparse("big.safetensors", slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), []byte(header)))
	c, err := openStored(path, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.BytesRead() > 4096 || checkpoint.Size(c) != 5368709028 {
		t.Errorf("%d bytes read to list a tensor of %d", c.BytesRead(), checkpoint.Size(c))
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}

// A pipe called like a checkpoint does not hang.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pt")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := Open(path, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}

// Checksums of 0 everywhere are those of writers that compute none; of the data alone, of files without weights.
func TestNoChecksums(t *testing.T) {
	// With pickle, if it is not empty, in place of the archive's own.
	zero := func(only, pickle string) []byte {
		return rewrite(t, read(t, "bare-2.pt"), func(w *zip.Writer, name string, content []byte) (io.Writer, []byte, error) {
			if pickle != "" && strings.HasSuffix(name, "data.pkl") {
				content = []byte(pickle)
			}
			h := &zip.FileHeader{Name: name, Method: zip.Store, CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content))}
			if !strings.Contains(name, only) {
				h.CRC32 = crc32.ChecksumIEEE(content)
			}
			to, err := w.CreateRaw(h)
			return to, content, err
		})
	}
	if _, err := open(t.TempDir(), "a.pt", zero("", ""), checkpoint.Options{}); err != nil {
		t.Errorf("no checksums at all: %v", err)
	}
	if _, err := open(t.TempDir(), "a.pt", zero("data/", ""), checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "never filled") {
		t.Errorf("none for the data: %v", err)
	}
	// A storage that was met before, elsewhere than in the state dict.
	x := pickledTensor("K\x12", "K\x00", "K\x02", "K\x01")
	shared := "\x80\x02}(X\x01\x00\x00\x00a}X\x01\x00\x00\x00x" + x + "sX\x01\x00\x00\x00b}X\x01\x00\x00\x00x" + x + "su."
	if _, err := open(t.TempDir(), "a.pt", zero("data/", shared), checkpoint.Options{Key: "b"}); err == nil || !strings.Contains(err.Error(), "never filled") {
		t.Errorf("none for the data, met before: %v", err)
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ file, key, want string }{
		{"two.pt", "", "--key says which"},
		{"two.pt", "ema", `no "ema" there; its keys are state_dict, state_dict_ema`},
		{"imagenet.pth.tar", "optimizer.param_groups", "no tensors there"},
		{"numpy.pt", "val_loss", "no tensors there"},
		{"single.safetensors", "model", "has no keys"},
		{"dcp", "optimiser", "no \"optimiser\""},
		{"bare-2.pt", ".", ""},
	} {
		_, err := openAll(filepath.Join(fixtures, c.file), checkpoint.Options{Key: c.key})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(said(err), c.want)) {
			t.Errorf("%s, key %q: %v, expected …%s…", c.file, c.key, err, c.want)
		}
	}
}

func TestStrict(t *testing.T) {
	if _, err := openAll(filepath.Join(fixtures, "fairseq.pt"), checkpoint.Options{Strict: true}); err == nil || !strings.Contains(err.Error(), "argparse.Namespace") {
		t.Errorf("%v, expected argparse.Namespace to be refused", err)
	}
	if _, err := openAll(filepath.Join(fixtures, "imagenet.pth.tar"), checkpoint.Options{Strict: true}); err != nil {
		t.Errorf("plain tensors and numbers: %v", err)
	}
}

// TestShardsMustMatchTheIndex and the folder.
func TestShardsMustMatchTheIndex(t *testing.T) {
	for want, change := range map[string]func(m map[string]string){
		"outside of the folder": func(m map[string]string) { m["fc.bias"] = "../" + m["fc.bias"] },
		"which lacks it":        func(m map[string]string) { m["new"] = m["fc.bias"] },
		"which the index has in": func(m map[string]string) {
			delete(m, "fc.bias")
		},
		"no such file": func(m map[string]string) { m["new"] = "model-00003-of-00002.safetensors" },
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(fixtures, "checkpoint-1500"))); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "model.safetensors.index.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var index struct {
			WeightMap map[string]string `json:"weight_map"`
		}
		if err := json.Unmarshal(text, &index); err != nil {
			t.Fatal(err)
		}
		m := maps.Clone(index.WeightMap)
		change(m)
		text, err = json.Marshal(map[string]any{"weight_map": m})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := openAll(dir, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected …%s…", err, want)
		}
	}
}

// Only the weights' bytes are read, and to list them less: the optimizer's state stays where it is.
func TestReadsOnlyTheWeights(t *testing.T) {
	// 1,000,000 floats of weights between two million of optimizer state: bench/foreign.py's imagenet.pth.tar, with
	// its storages made longer.
	const pad = 4 << 20
	data := rezip(t, read(t, "imagenet.pth.tar"), zip.Store, func(name string, c []byte) (string, []byte) {
		if strings.Contains(name, "/data/") {
			c = append(c, bytes.Repeat([]byte{1}, pad)...)
		}
		return name, c
	})
	dir := t.TempDir()
	path := filepath.Join(dir, "a.pt")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := openStored(path, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list := c.BytesRead()
	if list > 64<<10 {
		t.Errorf("%d bytes were read to list the tensors of a file of %d", list, len(data))
	}
	if _, err := c.WriteTo(io.Discard); err != nil {
		t.Fatal(err)
	}
	// Each of the 8 weights lies in a record of its own, which is read for its checksum, and once more for the
	// tensor, which is a part of it here; the 5 of the optimizer are not.
	if most := list + 8*(pad+1024) + 4096; c.BytesRead() > most || c.BytesRead() < 8*pad {
		t.Errorf("%d bytes were read, expected at most %d of %d", c.BytesRead(), most, len(data))
	}
	plain, err := openStored(filepath.Join(fixtures, "imagenet.pth.tar"), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	list = plain.BytesRead()
	if _, err := plain.WriteTo(io.Discard); err != nil {
		t.Fatal(err)
	}
	if got := plain.BytesRead() - list; got != checkpoint.Size(plain) {
		t.Errorf("%d bytes were read for weights of %d", got, checkpoint.Size(plain))
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"bare-2.pt", "bare-legacy-2.pt", "imagenet.pth.tar", "imagenet-legacy.pth.tar", "views.pt", "tied-legacy.pt", "module.pt", "scripted.pt", "single.safetensors", "fairseq.pt", "numpy-5.pt", "arrays-2.pt", "arrays-2.pkl", "arrays-5.pkl", "state.pkl", "parts.pt", "nested.pt", "beside.pt", "swa.pt", "mmengine.pth", "skip.pt"} {
		f.Add(read(f, name))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := open(dir, "a.pt", data, checkpoint.Options{}); err == nil && checkpoint.Size(c) > int64(len(data))+stored.Slack {
			t.Fatalf("%d bytes out of a file of %d", checkpoint.Size(c), len(data))
		}
	})
}

// FuzzPickled changes the pickle of an archive whose checksums are right.
func FuzzPickled(f *testing.F) {
	whole := read(f, "bare-2.pt")
	for _, name := range []string{"bare-2.pt", "imagenet.pth.tar", "module.pt", "arrays-2.pt", "arrays-5.pt", "parts.pt", "nested.pt", "beside.pt", "swa.pt", "mmengine.pth", "skip.pt", "schedulefree.pt", "fairseq.pt"} {
		rezip(f, read(f, name), zip.Store, func(name string, content []byte) (string, []byte) {
			if strings.HasSuffix(name, "data.pkl") {
				f.Add(content)
			}
			return name, content
		})
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, pickled []byte) {
		data := rezip(t, whole, zip.Store, func(name string, content []byte) (string, []byte) {
			if strings.HasSuffix(name, "data.pkl") {
				content = slices.Clone(pickled)
			}
			return name, content
		})
		for _, o := range []checkpoint.Options{{}, {Key: "a,model", Strip: []string{"conv1"}, Skip: []string{"*bias"}}} {
			if c, err := open(dir, "a.pt", data, o); err == nil && checkpoint.Size(c) > int64(len(data))+stored.Slack {
				t.Fatalf("%d bytes out of a file of %d", checkpoint.Size(c), len(data))
			}
		}
	})
}

func FuzzDCP(f *testing.F) {
	f.Add(read(f, "dcp/.metadata"), read(f, "dcp/__0_0.distcp"))
	f.Add(read(f, "dcp-2/.metadata"), read(f, "dcp-2/__0_0.distcp"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, metadata, data []byte) {
		for name, text := range map[string][]byte{folder.DCPMetadata: metadata, "__0_0.distcp": data, "__1_0.distcp": data} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = openAll(dir, checkpoint.Options{})
	})
}

func FuzzIndex(f *testing.F) {
	f.Add(read(f, "checkpoint-1500/model.safetensors.index.json"))
	dir := f.TempDir()
	for _, name := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
		if err := os.WriteFile(filepath.Join(dir, name), read(f, "checkpoint-1500/"+name), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, index []byte) {
		if err := os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), index, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _ = openAll(dir, checkpoint.Options{})
	})
}
