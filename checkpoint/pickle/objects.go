package pickle

import (
	"errors"
	"fmt"
)

func (m *machine) tuple(items []any) {
	m.pay(16*len(items) + 40)
	m.push(Tuple(append([]any{}, items...)))
}

// tupleOf makes a tuple of the n values on top.
func (m *machine) tupleOf(n int) {
	at := len(m.stack) - n
	if at < m.floor() {
		m.fail(errStack)
		return
	}
	items := m.stack[at:]
	m.stack = m.stack[:at]
	m.tuple(items)
}

// list makes a list, or a set, of what stands above the mark.
func (m *machine) list() {
	items := m.popMark()
	l := &List{}
	m.extend(l, items)
	m.push(l)
}

// inst calls a class by its name with what stands above the mark.
func (m *machine) inst() {
	module := m.line()
	class := Global{module, m.line()}
	args := append(Tuple{}, m.popMark()...)
	m.call(class, args)
}

// obj calls the first value above the mark with the others.
func (m *machine) obj() {
	items := append([]any{}, m.popMark()...)
	if len(items) == 0 {
		m.fail(errStack)
		return
	}
	m.call(items[0], Tuple(items[1:]))
}

// call is REDUCE and its kin.
func (m *machine) call(f any, args any) {
	if m.err != nil {
		return
	}
	t, ok := args.(Tuple)
	if !ok {
		m.fail(errors.New("a call without a tuple of arguments"))
		return
	}
	g, named := f.(Global)
	if named {
		switch g {
		case Global{"collections", "OrderedDict"}:
			d := &Dict{}
			m.pay(64)
			if len(t) > 0 {
				m.pairs(d, t[0])
			}
			m.push(d)
			return
		case Global{"builtins", "set"}, Global{"builtins", "frozenset"}, Global{"__builtin__", "set"}:
			l, _ := first(t).(*List)
			if l == nil {
				l = &List{}
			}
			m.push(l)
			return
		}
		if m.Call != nil {
			v, taken, err := m.Call(g, t)
			if err != nil {
				m.fail(err)
				return
			}
			if taken {
				m.push(v)
				return
			}
		}
	}
	if m.Strict {
		m.fail(fmt.Errorf("it calls %v, which is not among what is interpreted", f))
		return
	}
	m.pay(112)
	m.push(&Object{Class: f, Args: t})
}

func first(t Tuple) any {
	if len(t) > 0 {
		return t[0]
	}
	return nil
}

// pairs fills an OrderedDict from a list of pairs.
func (m *machine) pairs(d *Dict, from any) {
	l, ok := from.(*List)
	if !ok {
		return
	}
	for _, item := range l.Items {
		var pair []any
		switch v := item.(type) {
		case Tuple:
			pair = v
		case *List:
			pair = v.Items
		}
		if len(pair) == 2 {
			m.set(d, pair[0], pair[1])
		}
	}
}

func (m *machine) set(d *Dict, key, value any) {
	m.pay(64)
	d.Set(key, value)
}

func (m *machine) setItems(on any, items []any) {
	if len(items)%2 != 0 {
		m.fail(errors.New("a key without a value"))
		return
	}
	var d *Dict
	switch v := on.(type) {
	case *Dict:
		d = v
	case *Object:
		if v.Dict == nil {
			v.Dict = &Dict{}
		}
		d = v.Dict
	default:
		m.fail(fmt.Errorf("items are set on %s", kind(on)))
		return
	}
	for i := 0; i < len(items); i += 2 {
		m.set(d, items[i], items[i+1])
	}
}

func (m *machine) extend(on any, items []any) {
	m.pay(16 * len(items))
	switch v := on.(type) {
	case *List:
		v.Items = append(v.Items, items...)
	case *Object:
		if v.Items == nil {
			v.Items = &List{}
		}
		v.Items.Items = append(v.Items.Items, items...)
	default:
		m.fail(fmt.Errorf("items are appended to %s", kind(on)))
	}
}

func (m *machine) build() {
	state := m.pop()
	if o, ok := m.top().(*Object); ok && m.err == nil {
		o.State = state
	}
}

func (m *machine) global(module, name any) {
	a, ok1 := module.(string)
	b, ok2 := name.(string)
	if !ok1 || !ok2 {
		m.fail(errors.New("a global whose name is not text"))
		return
	}
	m.push(Global{a, b})
}

func (m *machine) persistent(id any) {
	if m.err != nil {
		return
	}
	if m.Persistent == nil {
		m.fail(errors.New("a persistent id, which has no meaning here"))
		return
	}
	v, err := m.Persistent(id)
	if err != nil {
		m.fail(err)
		return
	}
	m.pay(96)
	m.push(v)
}
