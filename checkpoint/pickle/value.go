package pickle

import (
	"fmt"
	"strings"
)

// What a value is: nil, bool, int64, *big.Int, float64, string, []byte, Tuple, *List, *Dict, Global, *Object,
// or what Options made of it. Sets are Lists.
type (
	// Tuple is a Python tuple.
	Tuple []any
	// List is a Python list or set.
	List struct{ Items []any }
	// Global is a class or function by its name. It is never resolved.
	Global struct{ Module, Name string }
	// Object is an instance of something that is not interpreted: what it would have been called with, and
	// what was put into it.
	Object struct {
		Class any // a Global as a rule
		Args  Tuple
		State any   // of BUILD
		Items *List // appended
		Dict  *Dict // set by key
	}
	// Dict is a Python dict, in the order of insertion.
	Dict struct {
		Keys, Values []any
		index        map[string]int // of the string keys
	}
)

func (g Global) String() string { return g.Module + "." + g.Name }

// Get returns the value of a string key.
func (d *Dict) Get(key string) (any, bool) {
	if i, ok := d.index[key]; ok {
		return d.Values[i], true
	}
	return nil, false
}

// Set puts a value under a key; a string key that was there keeps its place.
func (d *Dict) Set(key, value any) {
	if s, ok := key.(string); ok {
		if i, had := d.index[s]; had {
			d.Values[i] = value
			return
		}
		if d.index == nil {
			d.index = map[string]int{}
		}
		d.index[s] = len(d.Keys)
	}
	d.Keys, d.Values = append(d.Keys, key), append(d.Values, value)
}

// kind names a value's type without looking into it: values may be cyclic.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case Tuple:
		return "a tuple"
	case Global:
		return "a class"
	case string:
		return "a string"
	}
	return strings.TrimPrefix(fmt.Sprintf("a %T", v), "a *")
}
