// Package worker runs evaluation programs of other people's, in any language: docs/worker-protocol.md.
//
// It believes that such a program may crash, hang, or print what it should not, and that none of this may harm
// the evaluations of others: what it was asked for, what it last wrote to standard error and how it ended are
// in the error, the program is started again, and everything it was told it is told anew.
package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Protocol is the version that is spoken.
const Protocol = 1

// maxLine bounds an answer, in bytes: a million per-example values fit.
const maxLine = 64 << 20

// Hello is what a worker is told first.
type Hello struct {
	Type     string            `json:"type"` // hello
	Protocol int               `json:"protocol"`
	Slot     int               `json:"slot"`   // 0, 1, … of Slots
	Slots    int               `json:"slots"`  // workers that run side by side
	Device   string            `json:"device"` // as asked for: cpu, cuda:0
	Model    string            `json:"model,omitempty"`
	Data     string            `json:"data,omitempty"`
	Tied     map[string]string `json:"tied,omitempty"` // names that stand for another tensor of the weights
}

// Ready is what it answers.
type Ready struct {
	Type     string          `json:"type"` // ready
	Protocol int             `json:"protocol"`
	Identity string          `json:"identity"` // changes when its numbers would
	Splits   []string        `json:"splits"`
	Policies []string        `json:"policies"` // of batch-norm statistics that it can recompute itself: recompute
	Metrics  []metric.Metric `json:"metrics"`  // how to read those that it answers with
}

// Request asks for an evaluation.
type Request struct {
	Type    string   `json:"type"` // evaluate
	ID      int      `json:"id"`
	Name    string   `json:"name"`    // what the weights are, for people
	Weights string   `json:"weights"` // a safetensors file, which stays as it is until the answer
	Splits  []string `json:"splits"`
	Policy  string   `json:"policy"` // copy, average: done already; recompute: to be done by the worker
	Samples int      `json:"samples,omitempty"`
	Seed    int      `json:"seed,omitempty"`
}

// Metric is a number of an answer.
type Metric struct {
	Value, StdErr float64
	N             int64
}

// UnmarshalJSON reads a number, {"value": …, "stderr": …, "n": …}, or {"values": [one for each example]}.
func (m *Metric) UnmarshalJSON(text []byte) error {
	*m = Metric{StdErr: math.NaN()}
	if len(text) > 0 && text[0] != '{' {
		v, err := number(text)
		m.Value = v
		return err
	}
	var o struct {
		Value  json.RawMessage   `json:"value"`
		StdErr json.RawMessage   `json:"stderr"`
		N      int64             `json:"n"`
		Values []json.RawMessage `json:"values"`
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	if len(o.Values) > 0 {
		n := float64(len(o.Values))
		values := make([]float64, len(o.Values))
		for i, raw := range o.Values {
			var err error
			if values[i], err = number(raw); err != nil {
				return err
			}
			m.Value += values[i]
		}
		m.Value /= n
		squares := 0.0
		for _, v := range values {
			squares += (v - m.Value) * (v - m.Value)
		}
		m.StdErr, m.N = math.Sqrt(squares/(n-1)/n), int64(n)
		return nil
	}
	if len(o.Value) == 0 {
		return errors.New("a metric without value or values")
	}
	var err error
	if m.Value, err = number(o.Value); err == nil && len(o.StdErr) > 0 {
		m.StdErr, err = number(o.StdErr)
	}
	m.N = o.N
	return err
}

// quoted puts NaN, Infinity and -Infinity, which Python's json writes though JSON has none, into quotes.
func quoted(text []byte) []byte {
	if !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
		return text
	}
	var out []byte
	inside := false
	for i := 0; i < len(text); {
		found := ""
		if !inside {
			for _, word := range []string{"NaN", "-Infinity", "Infinity"} {
				if bytes.HasPrefix(text[i:], []byte(word)) {
					found = word
					break
				}
			}
		}
		switch {
		case found != "":
			out = append(out, '"')
			out = append(append(out, found...), '"')
			i += len(found)
			continue
		case inside && text[i] == '\\' && i+1 < len(text):
			out = append(out, text[i])
			i++
		case text[i] == '"':
			inside = !inside
		}
		out = append(out, text[i])
		i++
	}
	return out
}

// number reads a number, or the name of one that JSON lacks.
func number(raw json.RawMessage) (float64, error) {
	var v float64
	if json.Unmarshal(raw, &v) == nil && string(raw) != "null" {
		return v, nil
	}
	switch strings.Trim(string(raw), `"`) {
	case "NaN", "nan", "null":
		return math.NaN(), nil
	case "Infinity", "inf", "+Inf":
		return math.Inf(1), nil
	case "-Infinity", "-inf", "-Inf":
		return math.Inf(-1), nil
	}
	return 0, fmt.Errorf("%.40s is not a number", raw)
}

// Answer is what comes back: metrics by split.
type Answer struct {
	Type    string                       `json:"type"` // result or error
	ID      int                          `json:"id"`
	Splits  map[string]map[string]Metric `json:"splits"`
	Message string                       `json:"message"` // of an error
}

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

// Begin starts the program, unless it runs, and gives what it announced.
func (w *Worker) Begin(ctx context.Context) (*Ready, error) {
	w.Stop()
	cmd := exec.Command("sh", "-c", w.Command)
	cmd.Env = append(os.Environ(), w.Env...)
	p := &process{lines: make(chan line), ended: make(chan struct{}), log: &tail{}}
	cmd.Stderr = p.log
	cmd.WaitDelay = time.Second
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.group, err = newGroup(); err != nil {
		return nil, fmt.Errorf("worker %q: %w", w.Command, err)
	}
	p.group.join(cmd)
	if err := cmd.Start(); err != nil {
		p.group.kill()
		return nil, fmt.Errorf("worker %q: %w", w.Command, err)
	}
	go func() {
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
				break
			}
		}
		p.state = cmd.Wait()
		close(p.ended)
	}()
	w.process = p
	hello := w.Hello
	hello.Type, hello.Protocol = "hello", Protocol
	var ready Ready
	if err := w.exchange(ctx, hello, w.Start, func(text []byte) error { return json.Unmarshal(text, &ready) }); err != nil {
		w.kill()
		return nil, fmt.Errorf("worker %q did not get ready: %w", w.Command, err)
	}
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
