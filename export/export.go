// Package export writes averages as files that other programs load.
//
// It believes that an average without its origin is worth little: the file says which checkpoints are in
// it, with which coefficients and digests, and where its batch-norm statistics come from.
package export

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Export is which averages of a trajectory to write: every scheme at every endpoint.
type Export struct {
	Trajectory *trajectory.Trajectory
	Schemes    []averaging.Scheme
	Endpoints  []int
	DType      checkpoint.DType // of floating tensors; "" keeps the checkpoints'
	Format     Format           // "" is Safetensors
	ShardSize  int64            // of Sharded, in bytes; 0 keeps the source's shards
	Whole      bool             // of PT: the newest checkpoint's file, with the average in place of its weights
	Policy     bn.Policy        // of the batch-norm statistics
	// Recompute computes the statistics among tensors in place, for the policy recompute; RecomputedFrom says
	// from which data, for the metadata.
	Recompute      func(ctx context.Context, tensors []checkpoint.Tensor, data []byte) error
	RecomputedFrom string

	AllowNonFinite, AllowGaps bool
	Memory                    int64  // see averaging.Options
	Software                  string // that writes
	Path                      func(scheme averaging.Scheme, endpoint int) string
	Wrote                     func(Written) // told of each file

	plan *averaging.Plan
	told sync.Mutex // held while Wrote is called
}

// Written is one file that is there now.
type Written struct {
	Path       string
	Scheme     averaging.Scheme
	Endpoint   int
	Average    averaging.Coefficients
	Statistics int // batch-norm statistics among its tensors
}

// Plan finds the averages. A scheme that has none at one of the endpoints is an averaging.RequestError. Run
// does it too.
func (e *Export) Plan() error {
	if e.plan != nil {
		return nil
	}
	points := averaging.Points(e.Trajectory)
	plan, err := averaging.NewPlan(points, e.Schemes, e.Endpoints, e.AllowGaps)
	if err != nil {
		return err
	}
	if len(plan.Requests) < len(e.Schemes)*len(e.Endpoints) {
		// One endpoint at a time, the plan names what it has not.
		for _, endpoint := range e.Endpoints {
			if _, err := averaging.NewPlan(points, e.Schemes, []int{endpoint}, e.AllowGaps); err != nil {
				return err
			}
		}
	}
	e.plan = plan
	return nil
}

// checkPaths makes sure that no average is written over another: of two files of weights with one name, or of epochs
// that differ beyond the digits of a file's name.
func (e *Export) checkPaths() error {
	first := map[string]averaging.Request{}
	for _, r := range e.plan.Requests {
		path := filepath.Clean(e.Path(r.Scheme, r.Endpoint))
		other, taken := first[path]
		if taken && (other.Scheme.Spec() != r.Scheme.Spec() || other.Endpoint != r.Endpoint) {
			name := func(r averaging.Request) string {
				return fmt.Sprintf("%s at epoch %v", r.Scheme.Spec(), e.Trajectory.Checkpoints[r.Endpoint].Epoch)
			}
			return fmt.Errorf("%s and %s would both be written to %s: write them into folders of their own", name(other), name(r), path)
		}
		first[path] = r
	}
	return nil
}

// Run writes the files, each whole or not at all. Averages are computed in one pass over the trajectory,
// while those before are being written.
func (e *Export) Run(ctx context.Context) error {
	if err := e.Plan(); err != nil {
		return err
	}
	if err := e.checkPaths(); err != nil {
		return err
	}
	if e.Policy.Kind == bn.Recompute && e.Recompute == nil {
		return fmt.Errorf("policy %v: nothing recomputes the statistics", e.Policy)
	}
	if e.Format == Sharded {
		if _, err := e.shards(nil); err != nil {
			return err
		}
	}
	if err := e.Trajectory.Seal(ctx, e.plan.Sources(), e.AllowNonFinite, nil); err != nil {
		return err
	}
	options := averaging.Options{Memory: e.Memory, DType: e.DType}
	if e.Policy.Kind == bn.Copy {
		options.Newest = bn.IsStatistic
	}
	requests := map[int][]averaging.Request{}
	for _, r := range e.plan.Requests {
		requests[r.Average] = append(requests[r.Average], r)
	}
	piecewise, err := e.piecewise()
	if err != nil {
		return err
	}
	if piecewise {
		return e.runPiecewise(ctx, options, requests)
	}
	writers, ctx := errgroup.WithContext(ctx)
	writers.SetLimit(2)
	err = averaging.Stream(ctx, e.Trajectory.Source(e.AllowNonFinite), e.plan, nil, options, func(o *averaging.Output) error {
		writers.Go(func() error {
			defer o.Release()
			if e.Policy.Kind == bn.Recompute {
				if err := e.Recompute(ctx, o.Tensors, o.Data); err != nil {
					return fmt.Errorf("batch-norm statistics: %w", err)
				}
			}
			return e.write(ctx, requests[o.Average], o.Tensors, e.Policy.Statistics(o.Newest).Over(o.Tensors, held(o.Data)), o.Verified)
		})
		return ctx.Err()
	})
	if failed := writers.Wait(); failed != nil {
		return failed
	}
	return err
}

// piecewise says whether an average is larger than the memory that it may take. Statistics can only be recomputed
// when all of it is there.
func (e *Export) piecewise() (bool, error) {
	if e.Memory <= 0 || e.Policy.Kind == bn.Recompute || len(e.plan.Averages) == 0 {
		return false, nil
	}
	tensors, err := e.Trajectory.Tensors(e.plan.Averages[0].Newest())
	if err != nil {
		return false, err
	}
	size := int64(0)
	for _, t := range tensors {
		if e.DType != "" && t.DType.Float() {
			size += t.Elements() * int64(e.DType.Size())
		} else {
			size += t.End - t.Begin
		}
	}
	return size > e.Memory, nil
}

// runPiecewise writes one average after the other, each computed as it is written.
func (e *Export) runPiecewise(ctx context.Context, options averaging.Options, requests map[int][]averaging.Request) error {
	for average := range e.plan.Averages {
		err := func() error {
			p, err := averaging.NewParts(ctx, e.Trajectory.Source(e.AllowNonFinite), e.plan, average, options)
			if err != nil {
				return err
			}
			defer p.Close()
			return e.write(ctx, requests[average], p.Tensors, e.Policy.Statistics(p.Newest).Over(p.Tensors, p), p.Verified)
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes the files of one average.
func (e *Export) write(ctx context.Context, requests []averaging.Request, tensors []checkpoint.Tensor, values bn.Section, verified func() error) error {
	for _, r := range requests {
		w := Written{e.Path(r.Scheme, r.Endpoint), r.Scheme, r.Endpoint, e.plan.Averages[r.Average], bn.Count(tensors)}
		metadata, err := e.metadata(w)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.store(w, tensors, metadata, values, verified); err != nil {
			return err
		}
		if e.Wrote != nil {
			e.told.Lock()
			e.Wrote(w)
			e.told.Unlock()
		}
	}
	return nil
}

// Source is a checkpoint in an average, as the file's metadata name it.
type Source struct {
	Epoch       float64 `json:"epoch"`
	Step        *int64  `json:"step"` // null where it is not known
	File        string  `json:"file"`
	SHA256      string  `json:"sha256,omitempty"` // unknown only for unverified foreign ones
	Coefficient string  `json:"coefficient"`      // shortest text that reads back as the same float64
}

// metadata is what the file says of itself. "format": "pt" is what loaders of PyTorch weights ask for.
func (e *Export) metadata(w Written) (map[string]string, error) {
	t := e.Trajectory
	var sources []Source
	for i, v := range w.Average.Values() {
		from := t.Checkpoints[w.Average.Indices[i]]
		file := from.File
		if from.Link != nil {
			file = from.Link.Path
		}
		sources = append(sources, Source{from.Epoch, t.Step(w.Average.Indices[i]), file, from.SHA256, strconv.FormatFloat(v, 'g', -1, 64)})
	}
	checkpoints, err := json.Marshal(sources)
	if err != nil {
		return nil, err
	}
	m := checkpoint.Metadata()
	maps.Copy(m, map[string]string{
		"lawa-replay.software":    e.Software,
		"lawa-replay.run":         t.Meta.Run,
		"lawa-replay.model":       t.Meta.Model,
		"lawa-replay.scheme":      w.Scheme.Spec(),
		"lawa-replay.epoch":       trajectory.EpochName(t.Checkpoints[w.Endpoint].Epoch),
		"lawa-replay.checkpoints": string(checkpoints),
	})
	// What is not known is not said.
	if t.Meta.Seed != nil {
		m["lawa-replay.seed"] = strconv.FormatInt(*t.Meta.Seed, 10)
	}
	if step := t.Step(w.Endpoint); step != nil {
		m["lawa-replay.step"] = strconv.FormatInt(*step, 10)
	}
	if w.Statistics > 0 {
		m["lawa-replay.statistics"] = e.Policy.String()
	}
	if e.Policy.Kind == bn.Recompute {
		m["lawa-replay.statistics-data"] = e.RecomputedFrom
	}
	return m, nil
}
