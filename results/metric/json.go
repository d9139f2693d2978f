package metric

import (
	"encoding/json"
	"errors"
	"fmt"
)

// text is a metric as tables and workers write it.
type text struct {
	Name   string `json:"name"`
	Better string `json:"better"` // higher or lower
	Label  string `json:"label,omitempty"`
	Unit   string `json:"unit,omitempty"`
}

// MarshalJSON writes {"name": …, "better": "higher" or "lower", "label": …, "unit": …}.
func (m Metric) MarshalJSON() ([]byte, error) {
	better := "lower"
	if m.HigherBetter {
		better = "higher"
	}
	return json.Marshal(text{m.Name, better, m.Label, m.Unit})
}

// UnmarshalJSON reads what MarshalJSON writes. Without a label the name stands for it.
func (m *Metric) UnmarshalJSON(data []byte) error {
	var t text
	if err := json.Unmarshal(data, &t); err != nil {
		return err
	}
	switch {
	case t.Name == "":
		return errors.New("a metric without a name")
	case t.Better != "higher" && t.Better != "lower":
		return fmt.Errorf("metric %s: better is %q; higher or lower is wanted", t.Name, t.Better)
	case t.Label == "":
		t.Label = t.Name
	}
	*m = Metric{Name: t.Name, HigherBetter: t.Better == "higher", Label: t.Label, Unit: t.Unit}
	return nil
}
