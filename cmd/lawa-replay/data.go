//go:build !quick

package main

import (
	"context"
	"sync"

	"github.com/lawa-replay/lawa-replay/dataset"
)

// openData opens a data set, and says what people should know of it, and how far it is while images are decoded.
func openData(ctx context.Context, text string, o dataOptions, texts dataset.TextDefaults) (*dataset.Set, error) {
	source, err := dataset.Parse(text)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	bars := map[string]*progress{}
	set, err := source.OpenAs(dataset.Opening{Dir: o.dir, Cache: o.cache, SkipBroken: o.skipBroken, Text: texts, Context: ctx, Progress: func(what string, done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if bars[what] == nil {
			bars[what] = newProgress(ctx, what, total)
		}
		if bars[what].set(done); done == total {
			bars[what].close()
			delete(bars, what)
		}
	}})
	if err != nil {
		return nil, err
	}
	if dataset.IsText(text) && set.Spec != text {
		say("note: the data are %s", set.Spec)
	}
	for _, note := range set.Notes {
		say("note: %s", note)
	}
	return set, nil
}
