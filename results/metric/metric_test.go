package metric

import (
	"encoding/json"
	"testing"
)

func TestWhichWayIsBetter(t *testing.T) {
	for name, rises := range map[string]bool{"top1": true, "val/top5": true, "loss": false, "val/loss": false, "test/balanced_accuracy": true, "val/macro-F1": true, "perplexity": false, "val/map@50": true, "mapping_error": false} {
		if m := Of(name); m.HigherBetter != rises || m.Better(2, 1) != rises {
			t.Errorf("%s: rises %v", name, m.HigherBetter)
		}
	}
	for name, guessed := range map[string]bool{"val/loss": false, "top5": false, "macro-F1": false, "word_error": false, "wer": false, "size": true, "val/x": true} {
		if m := Of(name); m.Guessed != guessed {
			t.Errorf("%s: guessed %v", name, m.Guessed)
		}
	}
}

func TestJSON(t *testing.T) {
	var m Metric
	if err := json.Unmarshal([]byte(`{"name": "bleu", "better": "higher"}`), &m); err != nil || m != (Metric{Name: "bleu", HigherBetter: true, Label: "bleu"}) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, text := range []string{`{"name": "bleu"}`, `{"better": "higher"}`, `{"name": "bleu", "better": "up"}`} {
		if json.Unmarshal([]byte(text), &m) == nil {
			t.Errorf("%s was read: %+v", text, m)
		}
	}
}
