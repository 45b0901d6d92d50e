package poller

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// queue holds the questions of a lane by the time when they are due. Where more are due than may be asked, tenants take
// turns, so that one with thousands of runs does not keep another with three waiting.
type queue struct {
	tenants map[string]*tenantQueue
	// turn is how many turns everybody has had by now: whoever has had fewer, because it wanted nothing for a while,
	// counts as having had so many.
	turn int
}

// tenantQueue is a heap of a tenant's questions, the one that is due first on top.
type tenantQueue struct {
	heap dueQueue
	// turns counts the questions that were taken.
	turns int
}

// put puts a question where it belongs, after it was made or its due time has changed.
func (q *queue) put(question *question) {
	t := q.tenants[question.tenant]
	if t == nil {
		if q.tenants == nil {
			q.tenants = map[string]*tenantQueue{}
		}
		t = &tenantQueue{}
		q.tenants[question.tenant] = t
	}
	if question.index < 0 {
		heap.Push(&t.heap, question)
	} else {
		heap.Fix(&t.heap, question.index)
	}
}

// remove takes a question out, if it is in.
func (q *queue) remove(question *question) {
	if question.index >= 0 {
		heap.Remove(&q.tenants[question.tenant].heap, question.index)
	}
}

// empty says that there is nothing.
func (q *queue) empty() bool {
	for _, t := range q.tenants {
		if len(t.heap) > 0 {
			return false
		}
	}
	return true
}

// due is how many are due at now, counted up to most.
func (q *queue) due(now time.Time, most int) (n int) {
	for _, t := range q.tenants {
		n += t.heap.due(0, now, most-n)
	}
	return n
}

// next is what to ask next: of the tenants that have something due at now, the turn of the one that had the fewest, or
// else what is due first; nil if there is nothing at all.
func (q *queue) next(now time.Time) *question {
	var first *question
	due, fewest := false, 0
	for name, t := range q.tenants {
		if len(t.heap) == 0 {
			if t.turns <= q.turn {
				delete(q.tenants, name)
			}
			continue
		}
		top, turns := t.heap[0], max(t.turns, q.turn)
		isDue := !top.due.After(now)
		switch {
		case first == nil || isDue && !due:
		case isDue != due:
			continue
		case due && turns != fewest:
			if turns > fewest {
				continue
			}
		case !top.due.Before(first.due):
			continue
		}
		first, due, fewest = top, isDue, turns
	}
	return first
}

// take takes a question out because it is asked, which is a turn of its tenant.
func (q *queue) take(question *question) {
	t := q.tenants[question.tenant]
	q.turn = max(t.turns, q.turn)
	t.turns = q.turn + 1
	q.remove(question)
}

// takeTurns sorts questions so that tenants take turns, each in the order that its questions had.
func takeTurns(questions []*question) {
	turns, turn := map[string]int{}, make(map[*question]int, len(questions))
	for _, q := range questions {
		turn[q] = turns[q.tenant]
		turns[q.tenant]++
	}
	slices.SortStableFunc(questions, func(a, b *question) int { return cmp.Compare(turn[a], turn[b]) })
}

// dueQueue is a heap of questions, the one that is due first on top.
type dueQueue []*question

// due counts those that are due at now from an index down, up to most: none is due below one that is not.
func (d dueQueue) due(index int, now time.Time, most int) int {
	if most <= 0 || index >= len(d) || d[index].due.After(now) {
		return 0
	}
	n := 1 + d.due(2*index+1, now, most-1)
	return n + d.due(2*index+2, now, most-n)
}

// Len implements heap.Interface.
func (d dueQueue) Len() int           { return len(d) }
func (d dueQueue) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d dueQueue) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

// Push implements heap.Interface.
func (d *dueQueue) Push(x any) {
	q := x.(*question)
	q.index = len(*d)
	*d = append(*d, q)
}

// Pop implements heap.Interface.
func (d *dueQueue) Pop() any {
	last := len(*d) - 1
	q := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	q.index = -1
	return q
}
