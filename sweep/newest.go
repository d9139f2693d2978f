package sweep

import (
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// shared is a mapped checkpoint that several use.
type shared struct {
	*checkpoint.Mapped
	users atomic.Int64
}

func (s *shared) release() {
	if s.users.Add(-1) == 0 {
		s.Close()
	}
}

// newest maps the newest checkpoint of averages, once for all of an endpoint.
type newest struct {
	source trajectory.Source
	index  int
	now    *shared
}

// get gives a checkpoint, which the caller releases.
func (n *newest) get(index int) (*shared, error) {
	if n.now == nil || n.index != index {
		n.drop()
		w, err := n.source.Map(index)
		if err != nil {
			return nil, err
		}
		n.index, n.now = index, &shared{Mapped: w}
		n.now.users.Store(1)
	}
	n.now.users.Add(1)
	return n.now, nil
}

func (n *newest) drop() {
	if n.now != nil {
		n.now.release()
		n.now = nil
	}
}
