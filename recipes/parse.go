package recipes

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// entry is a line of a recipe: a table's beginning, where its key is "", or a setting in it.
type entry struct {
	table string
	run   int // of tables that are written [[table]], which of them, from 1
	Setting
}

// settings reads a text of TOML as what it says line by line. Its values are texts, numbers, truths, and lists of these.
func settings(text []byte) ([]entry, error) {
	var whole map[string]any // what is said twice, or is no TOML, this knows
	if err := toml.Unmarshal(text, &whole); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return nil, &lineError{errors.New(strings.TrimPrefix(err.Error(), "toml: ")), line}
		}
		return nil, err
	}
	var out []entry
	var at entry
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		keys, line := keyPath(&p, e)
		wrong := func(format string, args ...any) error { return &lineError{fmt.Errorf(format, args...), line} }
		if len(keys) != 1 {
			return nil, wrong("%s: keys and tables have one name, without dots", strings.Join(keys, "."))
		}
		switch e.Kind {
		case unstable.Table:
			at = entry{table: keys[0], Setting: Setting{Line: line}}
			out = append(out, at)
		case unstable.ArrayTable:
			at = entry{table: keys[0], run: at.run + 1, Setting: Setting{Line: line}}
			out = append(out, at)
		case unstable.KeyValue:
			values, err := values(e.Value())
			if err != nil {
				return nil, wrong("%s: %w", keys[0], err)
			}
			s := at
			s.Setting = Setting{Key: keys[0], Values: values, Line: line}
			out = append(out, s)
		}
	}
	return out, p.Error()
}

// keyPath is the key of an expression, and the line that it is in.
func keyPath(p *unstable.Parser, e *unstable.Node) (keys []string, line int) {
	for it := e.Key(); it.Next(); {
		n := it.Node()
		if line == 0 {
			line = p.Shape(n.Raw).Start.Line
		}
		keys = append(keys, string(n.Data))
	}
	return keys, line
}

// values are those of a setting, as a command line would have them.
func values(n *unstable.Node) ([]string, error) {
	switch n.Kind {
	case unstable.String, unstable.Bool:
		return []string{string(n.Data)}, nil
	case unstable.Integer, unstable.Float:
		return []string{strings.ReplaceAll(string(n.Data), "_", "")}, nil
	case unstable.Array:
		out := []string{}
		for it := n.Children(); it.Next(); {
			if it.Node().Kind == unstable.Array {
				return nil, errors.New("a list of lists")
			}
			v, err := values(it.Node())
			if err != nil {
				return nil, err
			}
			out = append(out, v...)
		}
		if len(out) == 0 {
			return nil, errors.New("an empty list")
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %s: want a text, a number, true or false, or a list of these", strings.ToLower(n.Kind.String()))
}
