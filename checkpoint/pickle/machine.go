package pickle

import (
	"errors"
	"fmt"
	"strconv"
)

// machine runs one pickle. The first error sticks; the loop stops at it.
type machine struct {
	*Reader
	Options
	stack []any
	marks []int
	memo  map[uint64]any
	err   error
}

func (m *machine) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// pay takes bytes from the budget.
func (m *machine) pay(n int) {
	if m.budget -= int64(n); m.budget < 0 {
		m.fail(fmt.Errorf("%w: it builds more than %d MiB of objects", ErrLimit, budget*m.limit>>20))
	}
}

func (m *machine) push(v any) {
	m.pay(16)
	m.stack = append(m.stack, v)
}

// floor is where the values above the last mark begin.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) pop() any {
	n := len(m.stack)
	if n == m.floor() {
		m.fail(errStack)
		return nil
	}
	v := m.stack[n-1]
	m.stack = m.stack[:n-1]
	return v
}

func (m *machine) top() any {
	v := m.pop()
	if m.err == nil {
		m.stack = append(m.stack, v)
	}
	return v
}

// popMark takes everything above the last mark, and the mark. The slice is valid until the next push.
func (m *machine) popMark() []any {
	if len(m.marks) == 0 {
		m.fail(errors.New("the pickle lacks a mark"))
		return nil
	}
	at := m.marks[len(m.marks)-1]
	m.marks = m.marks[:len(m.marks)-1]
	items := m.stack[at:]
	m.stack = m.stack[:at]
	return items
}

func (m *machine) put(key uint64) {
	m.pay(64)
	m.memo[key] = m.top()
}

func (m *machine) get(key uint64) {
	v, ok := m.memo[key]
	if !ok {
		m.fail(fmt.Errorf("memo %d was never stored", key))
		return
	}
	m.push(v)
}

// key reads a memo's key as text.
func (m *machine) key() uint64 {
	key, err := strconv.ParseUint(m.line(), 10, 64)
	if err != nil {
		m.fail(errors.New("a memo that is no number"))
	}
	return key
}

func (m *machine) run() (any, error) {
	for m.err == nil {
		op := m.byte()
		if m.err != nil {
			break
		}
		if op == opStop {
			v := m.pop()
			return v, m.err
		}
		m.step(op)
	}
	return nil, m.err
}
