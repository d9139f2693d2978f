package model

// Language is a network of tokens.
type Language interface {
	Network
	// Context is how many tokens an example may have; 0 of networks that are of something else.
	Context() int
	// Masked says that it predicts masked tokens, not those that follow.
	Masked() bool
}

// LanguageOf is n where it is one of tokens.
func LanguageOf(n Network) (Language, bool) {
	l, ok := n.(Language)
	return l, ok && l.Context() > 0
}

// Context implements Language.
func (t *Tree) Context() int { return t.context }

// Masked implements Language.
func (t *Tree) Masked() bool { return t.masked }
