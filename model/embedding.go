package model

// Embedding gives each of Rows whole numbers its vector of Width values: torch.nn.Embedding. N×… of int64 become
// N×…×Width.
type Embedding struct{ Rows, Width int }

// Bind implements Layer.
func (l Embedding) Bind(b *Binder) Forward {
	weight := b.Parameter("weight", Normal, shape(l.Rows, l.Width)...)
	return func(p Pass, x ...*Tensor) *Tensor { return p.Embedding(weight, x[0]) }
}
