package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// job is a sweep that is to be made, with what evaluates it. The verbs sweep, plan and run are made of its steps.
type job struct {
	spec    sweep.Spec
	backend sweep.Backend
	memory  int64
	// until says when enough is known of an average; nil evaluates all examples of each. samples are then what a run knows of them.
	until   *sweep.Until
	samples *sweep.Samples
	// noExamples keeps nothing of what each example gave.
	noExamples bool
	from       string // where the user is, if not in the process's folder
	close      func()
}

// plan finds the evaluations, and says what was found and is not used.
func (j *job) plan(ctx context.Context) (*sweep.Plan, error) {
	bar := newProgress(ctx, "plan", -1)
	p, err := sweep.NewPlan(ctx, j.spec, j.backend)
	bar.close()
	if err != nil {
		return nil, err
	}
	for _, n := range p.Notes {
		sayNote(n)
	}
	return p, nil
}

// asked marks what cannot be had of a trajectory as an error of the command line that asked for it.
func asked(cmd *cobra.Command, err error) error {
	if errors.As(err, &averaging.RequestError{}) {
		return wrong(cmd, err)
	}
	return err
}

// run evaluates with a progress bar what is missing of a plan, into the sweep's folder, or into that of a shard in it.
// What it has then, and what others had when it began, is handed to done, under the folder's lock; from time to time, and when it is
// interrupted, to so, which may be nil.
func (j *job) run(ctx context.Context, p *sweep.Plan, dir string, shard *sweep.Shard, so func(sweep.Stores) error, done func(sweep.Summary, sweep.Stores) error) error {
	bar := newProgress(ctx, "sweep", -1)
	defer func() { bar.close() }()
	note := func(n sweep.Note) { bar.close(); sayNote(n) }
	var into *sweep.Folder
	var err error
	folder := dir
	if shard == nil {
		into, err = sweep.OpenFolder(dir, note)
	} else {
		folder = shard.Dir(dir)
		into, err = sweep.OpenShard(dir, *shard, note)
	}
	switch {
	case errors.Is(err, atomicfile.ErrLocked) && shard == nil:
		return fmt.Errorf("%w: wait for the other sweep, or choose another --out", err)
	case errors.Is(err, atomicfile.ErrLocked):
		return fmt.Errorf("%w: this shard is being evaluated", err)
	case err != nil:
		return err
	}
	defer into.Close()
	others, err := sweep.ReadStores(dir, folder, note)
	if err != nil {
		return err
	}
	defer others.Close()
	stores := append(sweep.Stores{into.Store}, others...)
	sometimes := newSometimes(so, stores)
	options := sweep.Options{
		Memory: j.memory,
		Others: others,

		NoExamples: j.noExamples,
		Note:       note,
		Progress:   func(done, _ int) { bar.set(done); sometimes.look() },
		Start:      func(total int) { bar.close(); bar = newProgress(ctx, "sweep", total) },
	}
	var sum sweep.Summary
	if j.until != nil {
		sum, j.samples, err = sweep.RunUntil(ctx, p, j.backend, into.Store, options, *j.until)
	} else {
		sum, err = sweep.Run(ctx, p, j.backend, into.Store, options)
	}
	bar.close()
	sometimes.wait()
	if errors.Is(err, context.Canceled) {
		if so != nil && sum.Evaluated > 0 {
			if err := so(stores); err != nil {
				say("note: the table of what there is so far: %v", err)
			}
		}
		say("interrupted: %d of %d evaluations are kept in %s; the same command goes on with the rest", sum.Evaluations-sum.Missing+sum.Evaluated, sum.Evaluations, relative(j.from, folder))
	}
	if err != nil {
		return err
	}
	if n := sum.Without; n > 0 {
		say("note: of %s already in the store it is not known what each example gave, so that compare and best cannot take them (a sweep into another folder keeps it)", english.Plural(n, "evaluation", ""))
	}
	return done(sum, stores)
}

// sometimes does something beside other work: when it has not been done for a while, which is long beside what it takes.
type sometimes struct {
	do      func() error
	mu      sync.Mutex
	running sync.WaitGroup
	busy    bool
	next    time.Time
}

// soFar is after how long a sweep's table is written for the first time, and at least how long lies between two.
const soFar = 20 * time.Second

func newSometimes(so func(sweep.Stores) error, stores sweep.Stores) *sometimes {
	s := &sometimes{next: time.Now().Add(soFar)}
	if so != nil {
		s.do = func() error { return so(stores) }
	}
	return s
}

// look does it if it is time.
func (s *sometimes) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.do == nil || s.busy || time.Now().Before(s.next) {
		return
	}
	do := s.do
	s.busy = true
	s.running.Go(func() {
		began := time.Now()
		err := do()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy, s.next = false, time.Now().Add(max(soFar, 20*time.Since(began)))
		if err != nil {
			s.do = nil // the end will say it
		}
	})
}

// wait waits for what runs.
func (s *sometimes) wait() { s.running.Wait() }

// made says how many evaluations there are, and where they come from.
func made(sum sweep.Summary) string {
	return fmt.Sprintf("%d evaluations (%d made now, %d from the training log, %d already in the store)", sum.Evaluations, sum.Evaluated, sum.Recorded, sum.Evaluations-sum.Evaluated-sum.Recorded)
}

// tabulate writes the table of a plan that was evaluated; with partial, of what there is of it, which its metadata say.
func tabulate(p *sweep.Plan, samples *sweep.Samples, b sweep.Backend, software, dir string, stores sweep.Stores, partial bool) (*results.Table, error) {
	about, err := p.Provenance(b, software)
	if err != nil {
		return nil, err
	}
	if missing, _ := p.Missing(stores...); len(missing) > 0 {
		about["missing"] = len(missing)
	}
	if samples != nil && samples.Partly() > 0 {
		until := map[string]any{"metric": samples.Metric, "seed": samples.Seed, "partly": samples.Partly()}
		if samples.HalfWidth > 0 {
			until["half_width"] = samples.HalfWidth
		} else {
			until["examples"] = samples.Until.Examples
		}
		about["until"] = until
		delete(about, "missing")
	}
	table, err := sweep.TableWith(p, samples, about, stores...)
	var incomplete *sweep.Incomplete
	if err != nil && !(partial && errors.As(err, &incomplete)) {
		return nil, err
	}
	path := filepath.Join(dir, results.File)
	before, err := results.Read(path)
	if err != nil { // what is there is made anew, whatever is the matter with it
		before = nil
	}
	sweep.Differences(table, before, stores)
	return table, results.Write(path, table)
}

// untilFile remembers in a sweep's folder by which seed examples were drawn, so that what is known of them is not evaluated again.
const untilFile = "until.json"

// claim is an error where the sweep's folder is something else already.
func claim(dir string) error {
	if trajectory.Exists(dir) {
		return fmt.Errorf("%s holds a trajectory: choose another folder for the sweep", dir)
	}
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 && !slices.ContainsFunc(names, func(e os.DirEntry) bool {
		return slices.Contains([]string{"store", sweep.PlanName, untilFile, atomicfile.LockName}, e.Name())
	}) {
		return fmt.Errorf("%s holds other files: choose an empty folder, or that of an earlier sweep", dir)
	}
	return nil
}
