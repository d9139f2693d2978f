package model

// Language is a network of tokens.
type Language interface {
	Network
	// Context is how many tokens an example may have; 0 of networks that are of something else.
	Context() int
	// Vocabulary is how many tokens there are; ids are below it.
	Vocabulary() int
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

// Vocabulary implements Language.
func (t *Tree) Vocabulary() int { return t.vocabulary }

// Masked implements Language.
func (t *Tree) Masked() bool { return t.masked }
