package dataset

import "github.com/lawa-replay/lawa-replay/checkpoint"

// Field is one named array of every example of a split: its inputs, its targets, its tokens.
type Field struct {
	Name  string
	DType checkpoint.DType
	Shape []int64 // of one example; -1 where a length is free
}
