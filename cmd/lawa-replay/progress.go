package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress says how far something is, on standard error: as a bar with the rate and the time left where that is a
// terminal, else as a line every half minute. --quiet silences both.
type progress struct {
	bar   *progressbar.ProgressBar // nil where it is not a terminal
	lines *lines                   // nil where it is one, or quiet
}

// lineEvery is how often a line is said.
const lineEvery = 30 * time.Second

// quietly marks a context in which progress is not shown.
type quietly struct{}

func newProgress(ctx context.Context, what string, total int) *progress {
	quiet := ctx.Value(quietly{}) != nil
	switch {
	case quiet:
		return &progress{}
	case !term.IsTerminal(int(os.Stderr.Fd())):
		return &progress{lines: newLines(plain{os.Stderr}, what, total, lineEvery)}
	}
	return &progress{bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

func (p *progress) set(done int) {
	if p.bar != nil {
		_ = p.bar.Set(done)
	}
	if p.lines != nil {
		p.lines.set(done)
	}
}

func (p *progress) describe(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
	if p.lines != nil {
		p.lines.describe(what)
	}
}

func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	if p.lines != nil {
		p.lines.close()
	}
}

// lines says one from time to time, until it is closed.
type lines struct {
	mu          sync.Mutex
	what        string
	done, total int // total is below 0 where it is not known yet
	first       int // what was done when it began: a run that is resumed does not begin at 0
	counted     bool
	began       time.Time
	stop        func()
}

func newLines(w io.Writer, what string, total int, every time.Duration) *lines {
	ticker, end := time.NewTicker(every), make(chan struct{})
	l := &lines{what: what, total: total, began: time.Now(), stop: sync.OnceFunc(func() { close(end) })}
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				fmt.Fprintln(w, l.text(time.Now()))
			case <-end:
				return
			}
		}
	}()
	return l
}

func (l *lines) set(done int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.counted {
		// The first count comes with the first thing done.
		l.first, l.counted = done-1, true
	}
	l.done = done
}

func (l *lines) describe(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.what = what
}

func (l *lines) close() { l.stop() }

// text is the line of a moment: sweep: 340 of 1200, 5.6 a second, 2m34s left.
func (l *lines) text(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := now.Sub(l.began)
	if l.total < 0 {
		return fmt.Sprintf("%s: getting ready, for %v", l.what, since.Round(time.Second))
	}
	text := fmt.Sprintf("%s: %d of %d", l.what, l.done, l.total)
	made := l.done - l.first
	if !l.counted || made <= 0 {
		return fmt.Sprintf("%s, for %v", text, since.Round(time.Second))
	}
	rate := float64(made) / since.Seconds()
	left := time.Duration(float64(l.total-l.done) / rate * float64(time.Second)).Round(time.Second)
	unit, per := rate, "second"
	for _, slower := range []string{"minute", "hour"} {
		if unit < 1 {
			unit, per = unit*60, slower
		}
	}
	return fmt.Sprintf("%s, %.1f a %s, %v left", text, unit, per, left)
}

// say tells people something, on standard error.
func say(format string, args ...any) { fmt.Fprintf(plain{os.Stderr}, format+"\n", args...) }

// sayNote tells what was guessed, chosen or left out, and which flag decides otherwise.
func sayNote(n hint.Note) { say("note: %s", withFlags(n.Err())) }
