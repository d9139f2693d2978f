package dataset

import "slices"

// documented is a split whose examples belong to documents: texts that are not independent of one another.
type documented interface {
	// documents says of each example which one it belongs to; nil where that is not known.
	documents() []float32
}

// Documents says of each example of a split which document it belongs to, by whole numbers: the one that its first token is of. It is nil
// where that is not known, as of images. Examples of a document are not independent: intervals are over documents.
func Documents(s Split) []float32 {
	if d, ok := s.(documented); ok {
		return d.documents()
	}
	return nil
}

func (v *view) documents() []float32 {
	all := Documents(v.of)
	switch {
	case all == nil:
		return nil
	case v.at == nil:
		return all[:v.n]
	}
	out := make([]float32, len(v.at))
	for i, at := range v.at {
		out[i] = all[at]
	}
	return out
}

// documents of texts: each text one, where the file says so, else what stands between its empty lines. Of a plain file without empty
// lines nobody knows.
func (p *packed) documents() []float32 { return p.belong() }

func (p *packed) findDocuments() []float32 {
	s := p.ids
	if !s.Whole && len(s.Blank) == 0 || len(s.ends) > 1<<24 { // which a float32 can count
		return nil
	}
	out := make([]float32, p.n)
	for i := range out {
		from, _ := p.span(i)
		text := p.textOf(from)
		document := text
		if !s.Whole {
			document, _ = slices.BinarySearch(s.Blank, text)
		}
		out[i] = float32(document)
	}
	return out
}
