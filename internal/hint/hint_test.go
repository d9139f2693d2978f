package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func flag(option string) string { return "--" + option }

// A hint travels through whatever wraps the error, and stands behind all of it.
func TestHintsComeThrough(t *testing.T) {
	err := fmt.Errorf("run: %w", With(fmt.Errorf("epoch 3: %w", fs.ErrExist), "allow-nonfinite", "goes on all the same"))
	if h, ok := Of(err); !ok || h.Option != "allow-nonfinite" || !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, %v", h, ok)
	}
	for want, err := range map[string]error{
		"run: epoch 3: file already exists (--allow-nonfinite goes on all the same)": err,
		"plain":                        errors.New("plain"),
		"x (--a helps, --b ends it)":   With(fmt.Errorf("%w", With(errors.New("x"), "a", "helps")), "b", "ends it"),
		"x (--a 1 helps, --b ends it)": With(With(errors.New("x"), "a 1", "helps"), "b", "ends it"),
		"x (--a 1 helps)":              With(errors.New("x"), "a 1", "helps"),
		"two (--a says which):\n  --a 1  (2 files)\n  --a 2  (3 files)": With(With(With(errors.New("two"), "a", "says which"), "a 1", "(2 files)"), "a 2", "(3 files)"),
		"x\ny (--a helps)":           errors.Join(With(errors.New("x"), "a", "helps"), With(errors.New("y"), "a", "helps")),
		"chosen (--a takes another)": Note{Text: "chosen"}.With("a", "takes another").Err(),
	} {
		if got := Text(err.Error(), All(err), flag); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
	if With(nil, "a", "helps") != nil {
		t.Error("a hint makes an error of none")
	}
	if _, ok := Of(errors.New("x")); ok {
		t.Error("a hint where there is none")
	}
}
