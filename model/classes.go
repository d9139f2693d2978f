package model

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// dims are channels of images and classes of targets; 0 where nobody says.
type dims struct{ channels, classes int }

// fields are those that a network's text says.
func fields(s *spec.Spec) dims { return dims{s.Int("in-channels", 0, 1), s.Int("classes", 0, 2)} }

// String says what there is.
func (d dims) String() string {
	known := func(n int, what string) string {
		if n == 0 {
			return "an unknown number of " + what
		}
		return fmt.Sprintf("%d %s", n, what)
	}
	return known(d.channels, "channels") + " and " + known(d.classes, "classes")
}

// with gives those that were said, or else the data's. That the two differ is an error.
func (said dims) with(data []dataset.Field) (channels, classes int, err error) {
	var have dims
	if f, ok := dataset.Find(data, dataset.Inputs); ok && len(f.Shape) == 3 {
		have.channels = int(f.Shape[0])
	}
	if f, ok := dataset.Find(data, dataset.Targets); ok {
		have.classes = f.Classes
	}
	one := func(what string, said, known, least int) int {
		switch {
		case err != nil:
		case said > 0 && known > 0 && said != known:
			err = fmt.Errorf("%d %s, and the data have %d", said, what, known)
		case max(said, known) < least:
			err = fmt.Errorf("the data are of %s; in-channels=… and classes=… say it", have)
		}
		return max(said, known)
	}
	channels, classes = one("channels", said.channels, have.channels, 1), one("classes", said.classes, have.classes, 2)
	return channels, classes, err
}
