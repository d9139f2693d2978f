package spec

import (
	"slices"
	"strings"
	"testing"
)

func TestSpecIsUnderstoodWhole(t *testing.T) {
	read := func(text string) error {
		s, err := Parse(text)
		if err != nil {
			return err
		}
		s.Int("k", 1, 1)
		s.Bool("partial", false)
		s.Float("alpha", 0.5, 0, 1)
		s.Choice("shape", "linear", "linear", "cosine")
		return s.Done()
	}
	for _, text := range []string{"lawa", "lawa:k=6", " lawa: k=6 , partial=true", "x:alpha=0.25,shape=cosine"} {
		if err := read(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"":                   "want name",
		":k=6":               "want name",
		"lawa:":              "nothing stands behind the colon of lawa",
		"lawa:k":             "not key=value",
		"lawa:k=":            "not key=value",
		"lawa:k=6,k=7":       "given twice",
		"lawa:k=0":           "at least 1",
		"lawa:k=six":         "at least 1",
		"lawa:k=1.5":         "at least 1",
		"lawa:partial=dunno": "true or false",
		"lawa:alpha=NaN":     "from 0 to 1",
		"lawa:alpha=1.01":    "from 0 to 1",
		"lawa:shape=round":   "one of linear, cosine",
		"lawa:partail=true":  "did you mean partial?",
	} {
		if err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected … %s …", text, err, want)
		}
	}
}

func TestRanges(t *testing.T) {
	got, err := Ranges("1,2,4-8,10, 16,5", 1, 100)
	if want := []int{1, 2, 4, 5, 6, 7, 8, 10, 16}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "0", "-3", "5-2", "1-", "a", "1,,2", "101", "90-101", "1-20000"} {
		if got, err := Ranges(text, 1, 100); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if got, err := Ranges("1-20000", 1, 1<<30); err == nil {
		t.Errorf("%d numbers", len(got))
	}
}

func TestUnknownNamesTheNearest(t *testing.T) {
	if err := Unknown("scheme", "lwaa", []string{"last", "lawa"}); !strings.Contains(err.Error(), "did you mean lawa?") {
		t.Error(err)
	}
	if err := Unknown("figure", "k-sens", []string{"speedup", "k-sensitivity"}); !strings.Contains(err.Error(), "did you mean k-sensitivity?") {
		t.Error(err)
	}
	if err := Unknown("scheme", "polyak", []string{"last", "lawa"}); strings.Contains(err.Error(), "did you mean") {
		t.Error(err)
	}
}
