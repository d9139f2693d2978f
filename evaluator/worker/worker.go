// Package worker runs evaluation programs of other people's, in any language: docs/worker-protocol.md.
//
// It believes that such a program may crash, hang, or print what it should not, and that none of this may harm
// the evaluations of others: what it was asked for, what it last wrote to standard error and how it ended are
// in the error, the program is started again, and everything it was told it is told anew.
package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Worker is one slot: a program that runs, or is to be started.
type Worker struct {
	Command string // run by sh
	Hello   Hello
	Env     []string
	Start   time.Duration // limit for the answer to hello
	Limit   time.Duration // limit for an evaluation

	process *process
	ids     int
}

// process is a running program.
type process struct {
	group *group
	in    io.WriteCloser
	lines chan line
	ended chan struct{}
	state error
	log   *tail
}

type line struct {
	text []byte
	err  error
}

// tail keeps the last lines that a program wrote to standard error.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - 4096; n > 0 {
		t.text = slices.Clone(t.text[n:])
	}
	return len(p), nil
}

// last is what people should see of it.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	if n := len(lines) - 12; n > 0 {
		lines = lines[n:]
	}
	if text := strings.Join(lines, "\n    "); text != "" {
		return "; its standard error ends with\n    " + text
	}
	return ""
}

// start starts the program, whose answers then come line by line.
func (w *Worker) start() error {
	cmd := exec.Command("sh", "-c", w.Command)
	cmd.Env = append(os.Environ(), w.Env...)
	p := &process{lines: make(chan line), ended: make(chan struct{}), log: &tail{}}
	cmd.Stderr = p.log
	cmd.WaitDelay = time.Second
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if p.group, err = newGroup(); err != nil {
		return err
	}
	p.group.join(cmd)
	if err := cmd.Start(); err != nil {
		p.group.kill()
		return err
	}
	go func() {
		p.read(out)
		p.state = cmd.Wait()
		close(p.ended)
	}()
	w.process = p
	return nil
}

// read hands on what the program writes, until that ends.
func (p *process) read(out io.Reader) {
	r := bufio.NewReaderSize(out, 64<<10)
	for {
		text, err := input.ReadLine(r, maxLine)
		if errors.Is(err, input.ErrLine) {
			err = fmt.Errorf("its answer: %w", err)
		}
		select {
		case p.lines <- line{text, err}:
		case <-p.ended:
		}
		if err != nil {
			return
		}
	}
}

// Begin starts the program, anew if it runs, and gives what it announced.
func (w *Worker) Begin(ctx context.Context) (*Ready, error) {
	w.Stop()
	if err := w.start(); err != nil {
		return nil, fmt.Errorf("worker %q: %w", w.Command, err)
	}
	hello := w.Hello
	hello.Type, hello.Protocol = "hello", Protocol
	var ready Ready
	if err := w.exchange(ctx, hello, w.Start, func(text []byte) error { return json.Unmarshal(text, &ready) }); err != nil {
		w.kill()
		return nil, fmt.Errorf("worker %q did not get ready: %w", w.Command, err)
	}
	var err error
	switch {
	case ready.Type != "ready":
		err = fmt.Errorf("it answered hello with %q, expected ready", ready.Type)
	case ready.Protocol != Protocol:
		err = fmt.Errorf("it speaks protocol %d, this program %d", ready.Protocol, Protocol)
	case len(ready.Splits) == 0:
		err = errors.New("it announces no splits")
	}
	if err != nil {
		w.kill()
		return nil, fmt.Errorf("worker %q: %w", w.Command, err)
	}
	return &ready, nil
}

// exchange sends a message and reads one line.
func (w *Worker) exchange(ctx context.Context, message any, limit time.Duration, read func([]byte) error) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	p := w.process
	sent := make(chan error, 1)
	go func() { // a program that does not read would block this
		_, err := p.in.Write(append(text, '\n'))
		sent <- err
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("no answer within %v%s", limit, p.log.last())
	case l := <-p.lines:
		if l.err != nil {
			if !errors.Is(l.err, io.EOF) {
				return l.err
			}
			select {
			case <-p.ended:
			case <-time.After(2 * time.Second):
			}
			how := "it closed its standard output"
			select {
			case <-p.ended:
				how = "it ended"
				if p.state != nil {
					how = fmt.Sprintf("it ended (%v)", p.state)
				}
			default:
			}
			return fmt.Errorf("%s without an answer%s", how, p.log.last())
		}
		if err := read(quoted(l.text)); err != nil {
			shown := strings.TrimSpace(string(l.text[:min(len(l.text), 200)]))
			return fmt.Errorf("it wrote %q to standard output, which is no answer (%v): everything else belongs on standard error", shown, err)
		}
		return nil
	}
}

// ErrRefused marks an error that the worker itself answered with: it need not be started again.
var ErrRefused = errors.New("the worker answered")

// Evaluate asks for an evaluation. The program is started if it must be. An error names the request; after a time
// limit, a crash or nonsense the program is killed, and the next call starts it again.
func (w *Worker) Evaluate(ctx context.Context, r Request) (map[string]map[string]Metric, error) {
	if w.process == nil {
		if _, err := w.Begin(ctx); err != nil {
			return nil, err
		}
	}
	w.ids++
	r.Type, r.ID = "evaluate", w.ids
	var a Answer
	err := w.exchange(ctx, r, w.Limit, func(text []byte) error { return json.Unmarshal(text, &a) })
	switch {
	case err != nil:
	case a.ID != r.ID:
		err = fmt.Errorf("it answered request %d, not %d", a.ID, r.ID)
	case a.Type == "error":
		return nil, fmt.Errorf("%s: %w: %s%s", r.Name, ErrRefused, a.Message, w.process.log.last())
	case a.Type != "result":
		err = fmt.Errorf("it answered with %q, expected result or error", a.Type)
	default:
		for _, s := range r.Splits {
			if len(a.Splits[s]) == 0 {
				err = fmt.Errorf("its answer has no metrics of the split %s", s)
			}
		}
	}
	if err != nil {
		w.kill()
		return nil, fmt.Errorf("%s: worker %q: %w", r.Name, w.Command, err)
	}
	return a.Splits, nil
}

// Stop lets the program end by itself, and kills it where it does not.
func (w *Worker) Stop() {
	p := w.process
	if p == nil {
		return
	}
	_, _ = io.WriteString(p.in, `{"type":"bye"}`+"\n")
	p.in.Close()
	deadline := time.After(5 * time.Second)
	for done := false; !done; {
		select {
		case <-p.lines: // what it still says
		case <-p.ended:
			done = true
		case <-deadline:
			done = true
		}
	}
	w.kill()
}

func (w *Worker) kill() {
	p := w.process
	w.process = nil
	if p == nil {
		return
	}
	p.group.kill()
	for {
		select {
		case <-p.lines:
		case <-p.ended:
			return
		}
	}
}
