// Command average_sweep computes all averages of k = 1…16 at every endpoint of a trajectory, and nothing
// else, and compares the bytes that must move with what the machine copies.
//
//	average_sweep RUN
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "average_sweep:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	t, err := trajectory.Open(dir, formats.Files{})
	if err != nil {
		return err
	}
	bytes := float64(t.Checkpoints[0].Bytes)
	points := averaging.Points(t)
	endpoints := make([]int, len(points))
	for i := range endpoints {
		endpoints[i] = i
	}
	schemes, err := averaging.ParseAll([]string{"lawa:k=1..16"})
	if err != nil {
		return err
	}
	plan, err := averaging.NewPlan(points, schemes, endpoints, false)
	if err != nil {
		return err
	}
	// The window of each endpoint once, and each average: what must move.
	moved := float64(len(plan.Averages)) * bytes
	for i := range points {
		moved += float64(min(16, i+1)) * bytes
	}
	// Twice: the first pass reads and checks the files, the second finds them checked.
	for _, name := range []string{"with the digests of all checkpoints verified", "verified before"} {
		began := time.Now()
		n := 0
		err := averaging.Stream(context.Background(), t.Source(false), plan, nil, averaging.Options{}, func(o *averaging.Output) error {
			n++
			o.Release()
			return nil
		})
		if err != nil {
			return err
		}
		seconds := time.Since(began).Seconds()
		bandwidth := copyBandwidth()
		fmt.Printf("lawa-replay: %d averages in %.2f s, %s: %.1f GB/s, %.0f %% of the copy bandwidth of %.1f GB/s\n", n, seconds, name, moved/seconds/1e9, 100*moved/seconds/1e9/bandwidth, bandwidth)
	}
	return nil
}

// copyBandwidth is what all cores copy, read and written, in GB/s: the best of several goes.
func copyBandwidth() float64 {
	cores := runtime.GOMAXPROCS(0)
	const size = 256 << 20
	from, to := make([][]byte, cores), make([][]byte, cores)
	for c := range cores {
		from[c], to[c] = make([]byte, size), make([]byte, size)
		for i := range from[c] {
			from[c][i], to[c][i] = byte(i), 1
		}
	}
	best := 0.0
	for range 7 {
		began := time.Now()
		var wg sync.WaitGroup
		for c := range cores {
			wg.Go(func() {
				for range 4 {
					copy(to[c], from[c])
				}
			})
		}
		wg.Wait()
		best = max(best, 2*4*float64(cores)*size/time.Since(began).Seconds()/1e9)
	}
	return best
}
