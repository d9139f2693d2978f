package model

import (
	"fmt"
	"testing"

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
