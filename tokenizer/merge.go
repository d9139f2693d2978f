package tokenizer

import "container/heap"

// merged appends the ids of a word: its bytes, of which always the two neighbours with the lowest rank, the leftmost of them, become
// one.
func (t *Tokenizer) merged(ids []int32, word string) []int32 {
	if id, ok := t.whole[word]; ok {
		return append(ids, id)
	}
	from := len(ids)
	for i := range len(word) {
		ids = append(ids, t.bytes[word[i]])
	}
	return t.merge(ids, from)
}

// merge merges the ids from a place on.
func (t *Tokenizer) merge(ids []int32, from int) []int32 {
	if len(ids)-from > 64 {
		return append(ids[:from], t.long(ids[from:])...)
	}
	for s := ids[from:]; len(s) > 1; {
		best, at := merge{}, -1
		for i := range len(s) - 1 {
			if m, ok := t.merges[[2]int32{s[i], s[i+1]}]; ok && (at < 0 || m.rank < best.rank) {
				best, at = m, i
			}
		}
		if at < 0 {
			break
		}
		s[at] = best.id
		s = append(s[:at+1], s[at+2:]...)
		ids = ids[:from+len(s)]
	}
	return ids
}

// long does the same with a heap, for words of which a pass for each merge would take long.
func (t *Tokenizer) long(s []int32) []int32 {
	n := len(s)
	next, before := make([]int, n), make([]int, n)
	for i := range n {
		next[i], before[i] = i+1, i-1
	}
	var h pairs
	push := func(i int) {
		if i < 0 || next[i] >= n {
			return
		}
		if m, ok := t.merges[[2]int32{s[i], s[next[i]]}]; ok {
			heap.Push(&h, pair{m, i, s[i], s[next[i]]})
		}
	}
	for i := range n {
		push(i)
	}
	for len(h) > 0 {
		p := heap.Pop(&h).(pair)
		if s[p.at] != p.left || next[p.at] >= n || s[next[p.at]] != p.right {
			continue // one of them has become another since
		}
		gone := next[p.at]
		s[p.at], s[gone] = p.id, -1
		if next[p.at] = next[gone]; next[p.at] < n {
			before[next[p.at]] = p.at
		}
		push(before[p.at])
		push(p.at)
	}
	out := make([]int32, 0, n)
	for i := 0; i < n; i = next[i] {
		out = append(out, s[i])
	}
	return out
}

// pair is two neighbours that may become one.
type pair struct {
	merge
	at          int
	left, right int32
}

type pairs []pair

func (h pairs) Len() int { return len(h) }
func (h pairs) Less(i, j int) bool {
	return h[i].rank < h[j].rank || h[i].rank == h[j].rank && h[i].at < h[j].at
}
func (h pairs) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *pairs) Push(x any)   { *h = append(*h, x.(pair)) }
func (h *pairs) Pop() any {
	old := *h
	p := old[len(old)-1]
	*h = old[:len(old)-1]
	return p
}
