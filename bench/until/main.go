// Command until repeats sweep --until many times with other seeds on what a complete sweep of one run kept of its examples, without a
// network, and says how many examples were asked and how often all intervals of a curve held the values on all of them.
//
//	until SWEEP WIDTHS FROM REPETITIONS    (until demo/sweep 0.5,0.3,0.1 8 200)
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "until:", err)
		os.Exit(1)
	}
}

// replay answers with what the examples gave in a sweep. Its averages are recognised by their weights: those of checkpoint i are zeros but
// for a one at place i.
type replay struct {
	kept   *examples.Store
	keys   map[string]string // of policy kind, k and endpoint
	size   int
	policy bn.Kind

	mu    sync.Mutex
	parts map[string][]int
}

func name(policy bn.Kind, k, endpoint int) string { return fmt.Sprint(policy, k, endpoint) }

func (r *replay) Inputs(policy bn.Policy, split string) (sweep.Inputs, error) {
	return sweep.Inputs{Format: sweep.InputsFormat, Policy: string(policy.Kind), Data: split}, nil
}
func (*replay) Check([]checkpoint.Tensor, map[string]string) error { return nil }
func (*replay) Supports(bn.Policy) error                           { return nil }
func (*replay) Metrics() []metric.Metric                           { return []metric.Metric{metric.Top1, metric.Loss} }
func (*replay) Provenance() map[string]any                         { return map[string]any{} }
func (r *replay) Size(string) (int, error)                         { return r.size, nil }
func (*replay) Group() int                                         { return 1 }
func (*replay) Close() error                                       { return nil }

func (r *replay) Open(context.Context, sweep.Job) (*sweep.Slots, error) {
	return &sweep.Slots{Slots: []sweep.Slot{r, r}}, nil
}

func (r *replay) Part(split string, at []int) (string, error) {
	h := fnv.New64()
	_ = binary.Write(h, binary.LittleEndian, int64(len(at)))
	for _, i := range at {
		_ = binary.Write(h, binary.LittleEndian, int64(i))
	}
	part := fmt.Sprintf("%s~%x", split, h.Sum64())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[part] = at
	return part, nil
}

func (r *replay) Evaluate(_ context.Context, units []*sweep.Unit) error {
	for _, u := range units {
		k, endpoint := 0, 0
		for i := 0; i+4 <= len(u.Data); i += 4 {
			if binary.LittleEndian.Uint32(u.Data[i:]) != 0 {
				k, endpoint = k+1, i/4
			}
		}
		u.Release()
		key := r.keys[name(u.Policy.Kind, k, endpoint)]
		set, ok, err := r.kept.Get(key)
		if err != nil || !ok {
			return errors.Join(fmt.Errorf("k = %d at endpoint %d under %v: what each example gave is not kept", k, endpoint, u.Policy.Kind), err)
		}
		for i, split := range u.Splits {
			r.mu.Lock()
			at, part := r.parts[split]
			r.mu.Unlock()
			var own examples.Set
			var values []sweep.Value
			for _, m := range set {
				one := m
				if part {
					one.Values = nil
					for _, j := range at {
						one.Values = append(one.Values, m.Values[j])
					}
				}
				mean, stderr, n := one.Mean()
				own = append(own, one)
				values = append(values, sweep.Value{Metric: m.Name, Value: trajectory.Number(mean), StdErr: trajectory.Number(stderr), N: n})
			}
			if err := u.Keep(i, own); err != nil {
				return err
			}
			if err := u.Done(i, values); err != nil {
				return err
			}
		}
	}
	return nil
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: until SWEEP WIDTHS FROM REPETITIONS")
	}
	from, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return err
	}
	repetitions, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	table, err := results.Read(filepath.Join(args[0], results.File))
	if err != nil {
		return err
	}
	r := &replay{keys: map[string]string{}, parts: map[string][]int{}}
	if r.kept, err = examples.Read(nil, filepath.Join(args[0], "store")); err != nil {
		return err
	}
	defer r.kept.Close()
	truth, epochs, ks, err := r.learn(table)
	if err != nil {
		return err
	}
	tmp, remove, err := atomicfile.TempDir(os.TempDir(), "until-")
	if err != nil {
		return err
	}
	defer remove()
	t, err := oneHot(filepath.Join(tmp, "run"), epochs)
	if err != nil {
		return err
	}
	spec := sweep.Spec{Trajectories: []*trajectory.Trajectory{t}, Policies: []bn.Policy{{Kind: r.policy}}, Splits: []string{"val"}, Endpoints: [][]int{nil}}
	for i, e := range epochs {
		if e >= from {
			spec.Endpoints[0] = append(spec.Endpoints[0], i)
		}
	}
	for _, k := range ks {
		s, err := averaging.Parse(fmt.Sprintf("lawa:k=%d", k))
		if err != nil {
			return err
		}
		spec.Schemes = append(spec.Schemes, s)
	}
	p, err := sweep.NewPlan(context.Background(), spec, r)
	if err != nil {
		return err
	}
	for _, text := range strings.Split(args[1], ",") {
		width, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		asked, of, curves, held := 0, 0, 0, 0
		for seed := range uint64(repetitions) {
			store, err := sweep.OpenStore(filepath.Join(tmp, fmt.Sprint("store", text, seed)), nil)
			if err != nil {
				return err
			}
			_, s, err := sweep.RunUntil(context.Background(), p, r, store, sweep.Options{}, sweep.Until{HalfWidth: width, Metric: "top1", Seed: seed})
			if err != nil {
				return err
			}
			table, err := sweep.TableWith(p, s, nil, store)
			if err != nil {
				return err
			}
			store.Close()
			asked, of = asked+s.Passed, of+s.Of
			good := map[string]bool{}
			for _, row := range table.Rows {
				if row.Metric != "top1" || row.Scheme == "last" {
					continue
				}
				if _, ok := good[row.Scheme]; !ok {
					good[row.Scheme] = true
				}
				want := truth[fmt.Sprint(row.Scheme, row.Epoch)]
				if row.Low != nil && (want < *row.Low || want > *row.High) || row.Low == nil && math.Abs(row.Value-want) > 1e-9 {
					good[row.Scheme] = false
				}
			}
			for _, ok := range good {
				if curves++; ok {
					held++
				}
			}
		}
		fmt.Printf("±%v: %.1f %% of the examples; all intervals of a curve held in %.1f %% of %d curves\n", width, 100*float64(asked)/float64(of), 100*float64(held)/float64(curves), curves)
	}
	return nil
}

// learn finds in a sweep's table which evaluation is which, and the values on all examples.
func (r *replay) learn(table *results.Table) (truth map[string]float64, epochs []float64, ks []int, err error) {
	if len(table.Runs()) != 1 {
		return nil, nil, nil, errors.New("the sweep is not of one run")
	}
	for _, row := range table.Rows {
		if row.Scheme == "last" && !slices.Contains(epochs, row.Epoch) {
			epochs = append(epochs, row.Epoch)
		}
	}
	slices.Sort(epochs)
	truth = map[string]float64{}
	for _, row := range table.Rows {
		endpoint := slices.Index(epochs, row.Epoch)
		policy, err := bn.ParsePolicy(row.Policy)
		if err != nil || row.Split != "val" || row.Metric != "top1" {
			continue
		}
		k := 1
		if row.Scheme != "last" {
			if row.Scheme != fmt.Sprintf("lawa:k=%d", row.K) {
				continue
			}
			k, r.policy = int(row.K), policy.Kind
			if !slices.Contains(ks, k) {
				ks = append(ks, k)
			}
		}
		r.keys[name(policy.Kind, k, endpoint)] = row.Key
		truth[fmt.Sprint(row.Scheme, row.Epoch)] = row.Value
		r.size = int(row.N)
	}
	slices.Sort(ks)
	return truth, epochs, ks, nil
}

// oneHot is a trajectory whose checkpoint i is a one at place i.
func oneHot(dir string, epochs []float64) (*trajectory.Trajectory, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{int64(len(epochs))}}})
	var lines []trajectory.Checkpoint
	for i, epoch := range epochs {
		data := make([]byte, 4*len(epochs))
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(1))
		var file strings.Builder
		if err := safetensors.Write(&file, tensors, checkpoint.Metadata(), data); err != nil {
			return nil, err
		}
		path := fmt.Sprintf("%06d.safetensors", i+1)
		if err := atomicfile.WriteBytes(filepath.Join(dir, path), []byte(file.String())); err != nil {
			return nil, err
		}
		sum := sha256.Sum256([]byte(file.String()))
		lines = append(lines, trajectory.Checkpoint{Index: i + 1, Epoch: epoch, Step: int64(i + 1), File: path, Bytes: int64(file.Len()), SHA256: hex.EncodeToString(sum[:])})
	}
	return trajectory.Linked(dir, formats.Files{}, trajectory.Meta{Run: "replay"}, lines, nil)
}
