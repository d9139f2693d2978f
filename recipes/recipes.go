// Package recipes holds experiments as texts: what is trained, what is evaluated, and what is drawn.
//
// It believes that a recipe is nothing but the commands that it amounts to: its tables are verbs, and its keys are the names
// of their flags, so that whatever a verb can do a recipe can say, in the same words. Which flags there are is for those
// who run it to know; that a text is understood whole is checked here and there, and what is wrong is named by its line.
package recipes

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

//go:embed *.toml
var files embed.FS

// Extension is that of a recipe's file.
const Extension = ".toml"

// The tables of a recipe: verbs, and what each of several runs has beside train.
const (
	Train   = "train"
	Sweep   = "sweep"
	Figures = "figures"
	runs    = "run"
)

var tables = []string{Train, runs, Sweep, Figures}

// Setting is a flag of a verb, by its name, with one value or, of flags that may be repeated or take lists, several.
type Setting struct {
	Key    string
	Values []string
	Line   int // 0: of no file
}

// Run is one of several trainings that a recipe compares.
type Run struct {
	Name     string
	Settings []Setting // beside those of the table train, or instead of them
	Line     int
}

// Recipe is an experiment.
type Recipe struct {
	Name   string // of the file, without its extension
	File   string // where it was read; "" for one of the program's own
	Text   string
	About  string // a sentence
	Source string // the paper, and where in it
	Notes  string // what it needs, takes and gives
	Runs   []Run  // none: one run without a name of its own

	tables map[string]*[]Setting
}

// Settings are those of a table: train, sweep or figures.
func (r *Recipe) Settings(table string) []Setting { return slices.Clone(*r.tables[table]) }

// Of are the settings of a run: those of the table train, and its own.
func (r *Recipe) Of(run Run) []Setting {
	out := r.Settings(Train)
	for _, s := range run.Settings {
		out = put(out, s)
	}
	return out
}

// put adds a setting, or puts it in the place of the one with its key.
func put(settings []Setting, s Setting) []Setting {
	i := slices.IndexFunc(settings, func(o Setting) bool { return o.Key == s.Key })
	if i < 0 {
		return append(settings, s)
	}
	settings[i] = s
	return settings
}

// Names are those of the program's own recipes.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are part of the program
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), Extension))
	}
	return out
}

// maxBytes is how long a recipe may be.
const maxBytes = 1 << 20

// Find reads a recipe of the program by its name, or one of a file, whose name ends in .toml.
func Find(name string) (*Recipe, error) {
	if strings.HasSuffix(name, Extension) {
		text, err := input.ReadFile(name, maxBytes)
		if err != nil {
			return nil, fmt.Errorf("recipe: %w", err)
		}
		return Parse(name, text)
	}
	text, err := files.ReadFile(path.Base(name) + Extension)
	if err != nil || path.Base(name) != name {
		return nil, fmt.Errorf("%w; a recipe of your own is a file whose name ends in %s", spec.Unknown("recipe", name, Names()), Extension)
	}
	r, err := Parse(name+Extension, text)
	if err == nil {
		r.File = ""
	}
	return r, err
}

var runName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Parse reads the text of a recipe.
func Parse(file string, text []byte) (*Recipe, error) {
	r := &Recipe{Name: strings.TrimSuffix(filepath.Base(file), Extension), File: file, Text: string(text), tables: map[string]*[]Setting{Train: {}, Sweep: {}, Figures: {}}}
	all, err := settings(text)
	if err == nil {
		err = r.take(all)
	}
	if err == nil {
		err = r.check()
	}
	var at *lineError
	switch {
	case errors.As(err, &at) && at.line > 0:
		return nil, fmt.Errorf("%s:%d: %w", file, at.line, at.error)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// lineError is an error in a line.
type lineError struct {
	error
	line int
}

func (e *lineError) Unwrap() error { return e.error }

// take sorts what a text says into the recipe.
func (r *Recipe) take(all []entry) error {
	head := map[string]*string{"about": &r.About, "source": &r.Source, "notes": &r.Notes}
	for _, e := range all {
		wrong := func(err error) error { return &lineError{err, e.Line} }
		switch {
		case e.table == "" && e.Key != "":
			field := head[e.Key]
			if field == nil {
				return wrong(spec.Unknown("key", e.Key, []string{"about", "source", "notes"}))
			}
			*field = strings.TrimSpace(strings.Join(e.Values, ""))
		case !slices.Contains(tables, e.table):
			return wrong(spec.Unknown("table", e.table, tables))
		case (e.table == runs) != (e.run > 0):
			return wrong(errors.New("runs are written [[run]], and other tables [train], [sweep], [figures]"))
		case e.table == runs:
			if e.run > len(r.Runs) {
				r.Runs = append(r.Runs, Run{Line: e.Line})
			}
			run := &r.Runs[e.run-1]
			switch e.Key {
			case "":
			case "name":
				run.Name = strings.Join(e.Values, "")
			default:
				run.Settings = append(run.Settings, e.Setting)
			}
		case e.Key != "":
			*r.tables[e.table] = append(*r.tables[e.table], e.Setting)
		}
	}
	return nil
}

// check says what a recipe lacks.
func (r *Recipe) check() error {
	seen := map[string]bool{}
	for _, run := range r.Runs {
		switch {
		case !runName.MatchString(run.Name):
			return &lineError{fmt.Errorf("a run needs a name of letters, digits, dots and dashes, as in name = \"sgd\"; this is %q", run.Name), run.Line}
		case seen[run.Name]:
			return &lineError{fmt.Errorf("a second run called %s", run.Name), run.Line}
		}
		seen[run.Name] = true
	}
	if r.About == "" {
		return errors.New("about = \"…\" is missing: a sentence that says what it is")
	}
	for _, table := range []string{Train, Sweep} {
		if len(*r.tables[table]) == 0 {
			return fmt.Errorf("the table [%s] is missing or empty", table)
		}
	}
	return nil
}

// Set changes settings, each given as TABLE.KEY=VALUE: train.epochs=3, run.sgd.lr=0.2. Those of one key are together its values.
func (r *Recipe) Set(texts []string) error {
	given := map[string]bool{}
	for _, text := range texts {
		where, value, ok := strings.Cut(text, "=")
		parts := strings.Split(where, ".")
		if !ok || len(parts) < 2 {
			return fmt.Errorf("%q: want TABLE.KEY=VALUE, as in train.epochs=3 or run.sgd.lr=0.2", text)
		}
		key := parts[len(parts)-1]
		table := strings.Join(parts[:len(parts)-1], ".")
		settings, err := r.table(table)
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		i := slices.IndexFunc(*settings, func(s Setting) bool { return s.Key == key })
		if i >= 0 && given[where] {
			(*settings)[i].Values = append((*settings)[i].Values, value)
			continue
		}
		given[where] = true
		*settings = put(*settings, Setting{Key: key, Values: []string{value}})
	}
	return nil
}

// table finds the settings of a verb, or of a run: run.NAME.
func (r *Recipe) table(name string) (*[]Setting, error) {
	known := []string{Train, Sweep, Figures}
	for i := range r.Runs {
		if name == runs+"."+r.Runs[i].Name {
			return &r.Runs[i].Settings, nil
		}
		known = append(known, runs+"."+r.Runs[i].Name)
	}
	if !slices.Contains(known[:3], name) {
		return nil, spec.Unknown("table", name, known)
	}
	return r.tables[name], nil
}
