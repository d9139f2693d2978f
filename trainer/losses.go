package trainer

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// losses are those of the steps whose losses the host has not read yet. A GPU is asked for them some steps at a time, so that it
// need not wait for the host after each.
type losses struct {
	values *torch.Tensor
	room   int
	n      int // steps whose losses are complete
}

// unread is how many steps a GPU may be ahead of the host.
const unread = 32

func newLosses(d torch.Device) (*losses, error) {
	room := unread
	if d == torch.CPU {
		room = 1
	}
	t, err := torch.New[float32](d, int64(room))
	return &losses{values: t, room: room}, err
}

func (l *losses) free() { l.values.Free() }

// add adds to the loss of the step that is computed.
func (l *losses) add(loss *torch.Tensor) error { return l.values.AddAt(l.n, loss) }

// divide divides the loss of the step that is computed.
func (l *losses) divide(by float64) error { return l.values.Multiply(int64(l.n), 1, 1/by) }

// next begins a new step.
func (l *losses) next() { l.n++ }

func (l *losses) full() bool { return l.n == l.room }

// flush adds up what was not read.
func (l *losses) flush(at *place) error {
	values := make([]float32, l.n)
	if err := torch.Read(values, l.values, 0); err != nil {
		return err
	}
	for i, v := range values {
		if v != v {
			return fmt.Errorf("step %d: the loss is NaN: training diverged (a lower learning rate, or a warm-up, may help)", at.step-int64(l.n-1-i))
		}
		at.losses += float64(v)
		at.steps++
	}
	l.n = 0
	return l.values.Zero()
}

// beta draws from Beta(a, a).
func beta(rng *rand.Rand, a float64) float64 {
	return distuv.Beta{Alpha: a, Beta: a, Src: rng}.Rand()
}
