package sweep

// Averages counts the different averages that the plan's cells are of.
func (p *Plan) Averages() int {
	n := 0
	for i, c := range p.Cells {
		if i == 0 || c.Run != p.Cells[i-1].Run || c.Average != p.Cells[i-1].Average {
			n++
		}
	}
	return n
}

// Span is what the cells of one trajectory reach over.
type Span struct {
	Run   string  `json:"run"`
	First float64 `json:"first_epoch"` // of the newest checkpoints in the averages
	Last  float64 `json:"last_epoch"`
}

// Spans says of each trajectory that the plan's cells are of what they reach over.
func (p *Plan) Spans() []Span {
	var out []Span
	last := -1
	for _, c := range p.Cells {
		t := p.Spec.Trajectories[c.Run]
		epoch := t.Checkpoints[p.newest(c)].Epoch
		if c.Run != last {
			out = append(out, Span{t.Meta.Run, epoch, epoch})
			last = c.Run
		}
		out[len(out)-1].Last = epoch
	}
	return out
}
