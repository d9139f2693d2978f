package bn

import "testing"

func TestPolicies(t *testing.T) {
	for text, want := range map[string]Policy{
		"copy":                       {Kind: Copy},
		"average":                    {Kind: Average},
		"recompute":                  {Kind: Recompute},
		"recompute:samples=5000":     {Kind: Recompute, Samples: 5000},
		"recompute:samples=9,seed=2": {Kind: Recompute, Samples: 9, Seed: 2},
		"recompute:seed=2":           {Kind: Recompute, Seed: 2},
	} {
		if got, err := ParsePolicy(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v, %s", text, got, err, got)
		}
	}
	for _, text := range []string{"", "recomptue", "copy:seed=1", "recompute:samples=0", "recompute:samples=-1", "recompute:seed=-1", "recompute:n=5"} {
		if got, err := ParsePolicy(text); err == nil {
			t.Errorf("%q: %+v", text, got)
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
