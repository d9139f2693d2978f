package model

// Headed is an instance whose last layer, a large one such as a vocabulary's, can be had apart from the others: what it makes of all
// tokens of a batch may be larger than all else, and few of them may be asked for. Forward is Head of Body.
type Headed interface {
	Instance
	// Body computes what comes before the head: N × T × width, float32.
	Body(s *Scope, in []*Tensor, m Mode) *Tensor
	// Head makes of some rows of the body's output, R × width, R × classes, float32.
	Head(s *Scope, rows *Tensor, m Mode) *Tensor
}
