package model

import "slices"

// Child is a layer in another, by its name there.
type Child struct {
	Name string // of its tensors, before a dot; "" puts nothing before them
	Layer
}

// Sequential is layers one behind the other. What one makes is freed once the next has computed with it, so a layer keeps
// nothing of a pass.
type Sequential []Child

// Bind implements Layer.
func (l Sequential) Bind(b *Binder) Forward {
	var parts []Part
	end := 0 // behind the last part with statistics
	for i, c := range l {
		parts = append(parts, b.Part(c.Name, c.Layer))
		if parts[i].observes {
			end = i + 1
		}
	}
	return func(p Pass, x ...*Tensor) *Tensor {
		parts := parts
		if !p.needed {
			parts = parts[:end]
		}
		in := x
		for i, part := range parts {
			var y *Tensor
			if i == len(parts)-1 {
				y = part.Last(p, x...)
			} else {
				y = part.Forward(p, x...)
			}
			if i > 0 && x[0] != y && !slices.Contains(in, x[0]) {
				p.Release(x[0])
			}
			x = []*Tensor{y}
		}
		return x[0]
	}
}

// Identity gives its input.
type Identity struct{}

// Bind implements Layer.
func (Identity) Bind(*Binder) Forward { return func(_ Pass, x ...*Tensor) *Tensor { return x[0] } }

// Sum is the sum of what layers make of the same input.
type Sum []Child

// Bind implements Layer.
func (l Sum) Bind(b *Binder) Forward {
	var parts []Part
	for _, c := range l {
		parts = append(parts, b.Part(c.Name, c.Layer))
	}
	return func(p Pass, x ...*Tensor) *Tensor {
		var sum *Tensor
		for _, part := range parts {
			switch y := part.Last(p, x...); {
			case !p.needed:
			case sum == nil:
				sum = y
			default:
				sum = p.Add(sum, y)
			}
		}
		return sum
	}
}

// ReLU is max(x, 0).
type ReLU struct{}

// Bind implements Layer.
func (ReLU) Bind(*Binder) Forward {
	return func(p Pass, x ...*Tensor) *Tensor { return p.Relu(x[0]) }
}

// Residual is the block of residual networks: ReLU(Last(Body(x)) + Shortcut(x)). The batch norm of Last, the sum
// and ReLU are one kernel.
type Residual struct {
	Body     Layer
	Last     ConvNormAct // whose own ReLU is not asked for
	Shortcut Layer
}

// Bind implements Layer.
func (l Residual) Bind(b *Binder) Forward {
	body, last, shortcut := b.Part("", l.Body), l.Last.bind(b), b.Part("", l.Shortcut)
	return func(p Pass, x ...*Tensor) *Tensor {
		y := body.Forward(p, x...)
		rest := shortcut.Last(p, x...)
		sum := last(p, y, rest, true)
		for _, made := range []*Tensor{y, rest} {
			if made != x[0] && made != sum {
				p.Release(made)
			}
		}
		return sum
	}
}
