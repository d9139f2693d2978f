package main

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// Where nobody sees a bar, a line says how far it is, how fast, and how long it will take.
func TestProgressLines(t *testing.T) {
	at := time.Unix(0, 0)
	for want, l := range map[string]*lines{
		"sweep: getting ready, for 1m0s":               {what: "sweep", total: -1},
		"sweep: 0 of 10, for 1m0s":                     {what: "sweep", total: 10},
		"sweep: 340 of 1240, 5.7 a second, 2m39s left": {what: "sweep", done: 340, total: 1240, counted: true},
		"train: 503 of 600, 3.0 a minute, 32m20s left": {what: "train", done: 503, first: 500, total: 600, counted: true},
		"verify: 2 of 2, 2.0 a minute, 0s left":        {what: "verify", done: 2, total: 2, counted: true},
	} {
		l.began = at
		if got := l.text(at.Add(time.Minute)); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
	// They come, and end with close.
	w := &shared{}
	l := newLines(w, "sweep", 3, 5*time.Millisecond)
	l.set(1)
	for deadline := time.Now().Add(5 * time.Second); w.lines() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no line came")
		}
	}
	l.close()
	time.Sleep(20 * time.Millisecond)
	n := w.lines()
	time.Sleep(30 * time.Millisecond)
	if w.lines() != n {
		t.Error("lines come after close")
	}
}

// shared is a writer that several goroutines use.
type shared struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) lines() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), "\n")
}
