package bn

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

func TestPolicies(t *testing.T) {
	for text, want := range map[string]Policy{
		"copy":                            {Kind: Copy},
		"average":                         {Kind: Average},
		"recompute":                       {Kind: Recompute},
		"recompute:samples=5000":          {Kind: Recompute, Samples: 5000},
		"recompute:samples=9,seed=2":      {Kind: Recompute, Samples: 9, Seed: 2},
		"recompute:seed=2":                {Kind: Recompute, Seed: 2},
		"recompute:seed=1,tolerance=0.01": {Kind: Recompute, Seed: 1, Tolerance: 0.01},
	} {
		got, err := ParsePolicy(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "recomptue", "copy:seed=1", "recompute:samples=0", "recompute:samples=-1", "recompute:seed=-1", "recompute:n=5", "recompute:tolerance=2", "recompute:seed=0,tolerance=0.1"} {
		if got, err := ParsePolicy(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for _, k := range Kinds() {
		if err := k.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestParsePolicies(t *testing.T) {
	got, err := ParsePolicies("copy,recompute:samples=5,seed=2,average,recompute,copy")
	want := []Policy{{Kind: Copy}, {Kind: Recompute, Samples: 5, Seed: 2}, {Kind: Average}, {Kind: Recompute}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "recompte", "recompute:samples=0", "copy:samples=3", "recompute:n=4", "samples=4"} {
		if got, err := ParsePolicies(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestStatistics(t *testing.T) {
	for name, want := range map[string]bool{"bn1.running_mean": true, "layer1.0.bn2.running_var": true, "bn1.weight": false, "bn1.num_batches_tracked": false, "running_means.weight": false} {
		if IsStatistic(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// held is a section in memory.
type held []byte

func (h held) Write(w io.Writer, begin, end int64) error {
	_, err := w.Write(h[begin:end])
	return err
}

// Whatever run of tensors is written, those of the newest checkpoint stand in it, and all others as they are.
func TestCopiedStatisticsLieOverTheAverage(t *testing.T) {
	var tensors []checkpoint.Tensor
	data, want := held{}, []byte{}
	newest := map[string][]byte{}
	for i, name := range []string{"a.running_mean", "a.running_var", "a.weight", "b.running_mean", "b.weight", "c.running_var"} {
		n := int64(i + 1)
		x := checkpoint.Tensor{Name: name, DType: "U8", Shape: []int64{n}, Begin: int64(len(data)), End: int64(len(data)) + n}
		average, own := bytes.Repeat([]byte{byte(i)}, i+1), bytes.Repeat([]byte{byte(i)}, i+1)
		if IsStatistic(name) {
			own = bytes.Repeat([]byte{byte(100 + i)}, i+1)
			newest[name] = own
		}
		data, want = append(data, average...), append(want, own...)
		tensors = append(tensors, x)
	}
	if Count(tensors) != len(newest) {
		t.Errorf("%d statistics, expected %d", Count(tensors), len(newest))
	}
	for i := range tensors {
		for j := i; j < len(tensors); j++ {
			begin, end := tensors[i].Begin, tensors[j].End
			for policy, want := range map[Kind][]byte{Copy: want, Average: data, Recompute: data} {
				s := Policy{Kind: policy}.Statistics(newest)
				var out bytes.Buffer
				if err := s.Over(tensors, data).Write(&out, begin, end); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(out.Bytes(), want[begin:end]) {
					t.Errorf("%s, %s to %s: %v, expected %v", policy, tensors[i].Name, tensors[j].Name, out.Bytes(), want[begin:end])
				}
				if x := tensors[i]; !bytes.Equal(s.Bytes(x, data), want[x.Begin:x.End]) {
					t.Errorf("%s, %s: %v", policy, x.Name, s.Bytes(x, data))
				}
			}
		}
	}
}
