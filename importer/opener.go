package importer

import (
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// opener opens checkpoints, each once: what was found in it is kept, and its files are closed, because there may be more
// of them than a process may have files. The trajectory that is made of them goes on with the same.
type opener struct {
	files  trajectory.Files
	o      checkpoint.Options
	opened map[string]checkpoint.Checkpoint // by path
}

func (o Options) opener() *opener {
	return &opener{o.Files, o.Options, map[string]checkpoint.Checkpoint{}}
}

func (p *opener) open(path string) (checkpoint.Checkpoint, error) {
	if c := p.opened[path]; c != nil {
		return c, nil
	}
	c, err := p.files.Open(path, p.o)
	if err != nil {
		return nil, err
	}
	p.opened[path] = c
	return c, c.Close()
}

// untie opens checkpoints again, if there are some that tie tensors which are stored apart in others: the layout is the
// same then.
func (p *opener) untie(all []opened) error {
	var list []checkpoint.Checkpoint
	for _, a := range all {
		list = append(list, a.c)
	}
	if p.o.Untie = stored.Apart(list); len(p.o.Untie) == 0 {
		return nil
	}
	clear(p.opened)
	for i, a := range all {
		c, err := p.open(a.path)
		if err != nil {
			return err
		}
		all[i].c = c
	}
	return nil
}
