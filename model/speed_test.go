package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Which memory format is faster, by one thread: what MemoryFormat.For goes by.
func BenchmarkFormats(b *testing.B) {
	for _, n := range []struct {
		spec              string
		channels, side, n int64
	}{{"resnet8:width=8,stem-stride=2", 1, 28, 250}, {"resnet20", 3, 32, 125}, {"resnet18:stem=cifar", 3, 32, 32}, {"resnext50_32x4d", 3, 224, 8}, {"resnet50", 3, 224, 8}} {
		for _, p := range []Precision{torch.Float32, torch.BFloat16} {
			for _, f := range []MemoryFormat{torch.ChannelsLast, torch.Contiguous} {
				b.Run(fmt.Sprintf("%s/%v/%v", n.spec, p, f), func(b *testing.B) {
					err := torch.Worker(1, false, func() error {
						net, err := New(n.spec, images(n.channels, 10)...)
						if err != nil {
							return err
						}
						in, err := net.On(torch.CPU, Options{Precision: p, Format: f})
						if err != nil {
							return err
						}
						defer in.Free()
						if err := in.Weights().Initialize(1); err != nil {
							return err
						}
						x, err := torch.New[uint8](torch.CPU, n.n, n.channels, n.side, n.side)
						if err != nil {
							return err
						}
						one := make([]float32, n.channels)
						for i := range one {
							one[i] = 1
						}
						var s torch.Scope
						run := func() {
							in.Forward(&s, []*Tensor{s.Normalize(x, 0, n.n, one, one)}, Evaluate)
							err = s.Err()
							s.Close()
						}
						run()
						b.ResetTimer()
						for range b.N {
							run()
						}
						b.ReportMetric(float64(b.N)*float64(n.n)/b.Elapsed().Seconds(), "images/s")
						return err
					})
					if err != nil {
						b.Fatal(err)
					}
				})
			}
		}
	}
}

// A training step, by as many threads as -cpu says: what bench/step.py compares with PyTorch's. On noise, and slowly: of one image
// of one class the loss is 0 after ten steps, and gradients that are denormal take ten times as long.
func BenchmarkStep(b *testing.B) {
	for _, n := range []struct {
		spec              string
		channels, side, n int64
	}{{"resnet8:width=8,stem-stride=2", 1, 28, 128}, {"resnet20", 3, 32, 128}, {"resnet18:stem=cifar", 3, 32, 128}} {
		for _, f := range []MemoryFormat{torch.ChannelsLast, torch.Contiguous} {
			b.Run(fmt.Sprintf("%s/%v", n.spec, f), func(b *testing.B) {
				err := torch.Worker(runtime.GOMAXPROCS(0), true, func() error {
					net, err := New(n.spec, images(n.channels, 10)...)
					if err != nil {
						return err
					}
					in, err := net.On(torch.CPU, Options{Trainable: true, Format: f})
					if err != nil {
						return err
					}
					defer in.Free()
					if err := in.Weights().Initialize(1); err != nil {
						return err
					}
					r := rand.New(rand.NewPCG(1, 1))
					pixels, labels := make([]uint8, n.n*n.channels*n.side*n.side), make([]int64, n.n)
					for i := range pixels {
						pixels[i] = uint8(r.Uint32())
					}
					for i := range labels {
						labels[i] = r.Int64N(10)
					}
					x, err := torch.From(torch.CPU, pixels, n.n, n.channels, n.side, n.side)
					if err != nil {
						return err
					}
					y, err := torch.From(torch.CPU, labels, n.n)
					if err != nil {
						return err
					}
					m, err := torch.New[float32](torch.CPU, in.Weights().Parameters())
					if err != nil {
						return err
					}
					mean, std := make([]float32, n.channels), make([]float32, n.channels)
					for i := range mean {
						mean[i], std[i] = 0.5, 0.25
					}
					var s torch.Scope
					run := func() {
						s.Backward(s.ClassLoss(in.Forward(&s, []*Tensor{s.Normalize(x, 0, n.n, mean, std)}, Train), y, 0))
						if err = s.Err(); err == nil {
							err = torch.SGD(in.Weights().Flat(), in.Weights().Gradients(), m, 0.001, 0.9, 5e-4, false, false)
						}
						s.Close()
					}
					run()
					best := math.Inf(1)
					for b.Loop() {
						began := time.Now()
						run()
						best = min(best, time.Since(began).Seconds())
					}
					b.ReportMetric(best*1000, "ms-best")
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
