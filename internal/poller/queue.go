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
	// turn is the count of turns of the tenant that was served last. Whoever comes new starts there, and gets nothing
	// for the time when it wanted nothing.
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
		t = &tenantQueue{turns: q.turn}
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
	if question.index < 0 {
		return
	}
	t := q.tenants[question.tenant]
	heap.Remove(&t.heap, question.index)
	if len(t.heap) == 0 {
		delete(q.tenants, question.tenant)
	}
}

// next is what to ask next: of the tenants that have something due at now, the turn of the one that had the fewest, or
// else what is due first; nil if there is nothing at all.
func (q *queue) next(now time.Time) *question {
	var first *question
	var served *tenantQueue
	for _, t := range q.tenants {
		top := t.heap[0]
		due := !top.due.After(now)
		switch {
		case due && (served == nil || t.turns < served.turns || t.turns == served.turns && top.due.Before(first.due)):
			first, served = top, t
		case served == nil && (first == nil || top.due.Before(first.due)):
			first = top
		}
	}
	return first
}

// take takes a question out because it is asked, which is a turn of its tenant.
func (q *queue) take(question *question) {
	t := q.tenants[question.tenant]
	t.turns = max(t.turns, q.turn) + 1
	q.turn = t.turns - 1
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
