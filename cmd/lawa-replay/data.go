//go:build !quick

package main

import "github.com/lawa-replay/lawa-replay/dataset"

// openData opens a data set, and says what people should know of it.
func openData(text, dir string) (*dataset.Set, error) {
	set, err := dataset.Open(text, dir)
	if err != nil {
		return nil, err
	}
	for _, note := range set.Notes {
		say("note: %s", note)
	}
	return set, nil
}
