//go:build !quick

package main

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// The list of verbs is right: each has its name, those that need libtorch are made here, and quick.c goes over to the
// program without libtorch for all others.
func TestVerbs(t *testing.T) {
	text, err := os.ReadFile("quick.c")
	if err != nil {
		t.Fatal(err)
	}
	inC := regexp.MustCompile(`verbs\[\] = \{(.*)\}`).FindSubmatch(text)
	if inC == nil {
		t.Fatal("quick.c lists no verbs")
	}
	var gone []string
	for _, word := range regexp.MustCompile(`"([^"]*)"`).FindAllSubmatch(inC[1], -1) {
		gone = append(gone, string(word[1]))
	}
	want := []string{"--version"}
	for i, c := range commands() {
		v := verbs()[i]
		if c.Name() != v.name || c.Hidden || c.Short == "" {
			t.Errorf("the verb %s is %q in the list, hidden %v", c.Name(), v.name, c.Hidden)
		}
		if (v.make == nil) != (torchVerbs()[v.name] != nil) {
			t.Errorf("%s: made twice, or not at all", v.name)
		}
		if v.make != nil {
			want = append(want, v.name)
		}
	}
	if slices.Sort(gone); !slices.Equal(gone, slices.Sorted(slices.Values(want))) {
		t.Errorf("quick.c goes over for %v, expected %v", gone, want)
	}
}
