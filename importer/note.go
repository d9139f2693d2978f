package importer

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// Note is something that people should know: what was guessed, chosen or left out.
type Note = hint.Note

// noting keeps what to tell people.
type noting struct {
	Notes []hint.Note // in the order in which they came up
}

// note adds a note.
func (n *noting) note(format string, args ...any) noted {
	n.Notes = append(n.Notes, hint.Note{Text: fmt.Sprintf(format, args...)})
	return noted{&n.Notes[len(n.Notes)-1]}
}

// noted is the note that was added last.
type noted struct{ last *hint.Note }

// option says which option decides otherwise.
func (n noted) option(option, help string) { *n.last = n.last.With(option, help) }
