package emulator

import (
	"slices"
	"strconv"
)

// resultsAction is the one action whose rows faults change.
const resultsAction = "DescribeInvocationResults"

// UnknownStatus is what FaultUnknownStatus shows: a value of InvocationStatus that the API does not have.
const UnknownStatus = "Hibernating"

// strangeResults is an answer of DescribeInvocationResults with room for what the API does not send.
type strangeResults struct {
	answerHead
	FutureElement *futureElement `json:"FutureElement,omitempty" xml:"FutureElement,omitempty"`
	Invocation    struct {
		pageAnswer
		FutureElement     *futureElement `json:"FutureElement,omitempty" xml:"FutureElement,omitempty"`
		InvocationResults struct {
			FutureElement    *futureElement `json:"FutureElement,omitempty" xml:"FutureElement,omitempty"`
			InvocationResult []strangeRow   `json:"InvocationResult" xml:"InvocationResult"`
		} `json:"InvocationResults" xml:"InvocationResults"`
	} `json:"Invocation" xml:"Invocation"`
}

// strangeRow is a row whose ExitCode and Tags, which hide those of resultAnswer, may have any type.
type strangeRow struct {
	resultAnswer
	ExitCode      any            `json:"ExitCode,omitempty" xml:"ExitCode,omitempty"`
	Tags          any            `json:"Tags" xml:"Tags"`
	FutureElement *futureElement `json:"FutureElement,omitempty" xml:"FutureElement,omitempty"`
}

// futureElement is an element that a later version of the API might add.
type futureElement struct {
	Text  string `json:"Text" xml:"Text"`
	Items struct {
		Item []int `json:"Item" xml:"Item"`
	} `json:"Items" xml:"Items"`
}

func newFutureElement() *futureElement {
	future := &futureElement{Text: "of a later version"}
	future.Items.Item = []int{1, 2}
	return future
}

// rowChanges are the faults that change an answer once it is made. FaultShuffle acts where it is made.
var rowChanges = map[FaultKind]func(*strangeResults){
	FaultBareTags: everyRow(func(r *strangeRow) { r.Tags = r.resultAnswer.Tags.Tag }),
	FaultDuplicateRows: func(a *strangeResults) {
		rows := &a.Invocation.InvocationResults.InvocationResult
		doubled := make([]strangeRow, 0, 2*len(*rows))
		for _, r := range *rows {
			doubled = append(doubled, r, r)
		}
		*rows = doubled
	},
	FaultReversePage:     func(a *strangeResults) { slices.Reverse(a.Invocation.InvocationResults.InvocationResult) },
	FaultUnknownElements: addUnknownElements,
	FaultUnknownStatus:   everyRow(func(r *strangeRow) { r.InvocationStatus = UnknownStatus }),
	// A nil pointer, and not a nil interface, is sent: XML, which has no null, leaves the element out.
	FaultExitCodeNull:  everyRow(func(r *strangeRow) { r.ExitCode = (*int64)(nil) }),
	FaultExitCodeEmpty: everyRow(func(r *strangeRow) { r.ExitCode = "" }),
	FaultExitCodeText: everyRow(func(r *strangeRow) {
		code := int64(-1)
		if r.resultAnswer.ExitCode != nil {
			code = *r.resultAnswer.ExitCode
		}
		r.ExitCode = strconv.FormatInt(code, 10)
	}),
}

func everyRow(change func(*strangeRow)) func(*strangeResults) {
	return func(a *strangeResults) {
		rows := a.Invocation.InvocationResults.InvocationResult
		for n := range rows {
			change(&rows[n])
		}
	}
}

// addUnknownElements adds one to each object of the answer, down to the tags of a row.
func addUnknownElements(a *strangeResults) {
	type strangeTag struct {
		Tag
		FutureElement *futureElement `json:"FutureElement" xml:"FutureElement"`
	}
	type strangeTags struct {
		Tag           []strangeTag   `json:"Tag" xml:"Tag"`
		FutureElement *futureElement `json:"FutureElement" xml:"FutureElement"`
	}
	future := newFutureElement()
	a.FutureElement, a.Invocation.FutureElement, a.Invocation.InvocationResults.FutureElement = future, future, future
	everyRow(func(r *strangeRow) {
		tags := strangeTags{Tag: []strangeTag{}, FutureElement: future}
		for _, tag := range r.resultAnswer.Tags.Tag {
			tags.Tag = append(tags.Tag, strangeTag{tag, future})
		}
		r.Tags, r.FutureElement = tags, future
	})(a)
}

// spoil lets the fault of a call change the answer that was made.
func (c *Call) spoil(answer any) any {
	change := rowChanges[c.fault.Kind]
	proper, ofResults := answer.(*resultsAnswer)
	if change == nil || !ofResults {
		return answer
	}
	strange := &strangeResults{answerHead: proper.answerHead}
	strange.Invocation.pageAnswer = proper.Invocation.pageAnswer
	rows := proper.Invocation.InvocationResults.InvocationResult
	all := make([]strangeRow, len(rows))
	for n, r := range rows {
		all[n] = strangeRow{resultAnswer: r, Tags: r.Tags}
		if r.ExitCode != nil {
			all[n].ExitCode = *r.ExitCode
		}
	}
	strange.Invocation.InvocationResults.InvocationResult = all
	change(strange)
	return strange
}
