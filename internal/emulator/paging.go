package emulator

import (
	"crypto/sha256"
	"math"
	"sort"
)

// defaultPageSize is that of all actions that have pages.
const defaultPageSize = 10

// pageRule is what an action's own page says of the sizes of its pages.
type pageRule struct {
	// max is the greatest PageSize and MaxResults.
	max int
	// bends makes a MaxResults below the default count as that, and one above max as max, where it is else refused.
	bends bool
	// whole makes all parameters of paging ignored: one page has everything, up to max.
	whole bool
}

var (
	// assistantPages are those of the Cloud Assistant's actions.
	assistantPages = pageRule{max: 50}
	// instancePages are those of DescribeInstances.
	instancePages = pageRule{max: 100, bends: true}
	// namedAgents is DescribeCloudAssistantStatus with InstanceId.N: the page says that paging is ignored then.
	namedAgents = pageRule{max: maxInstances, whole: true}
)

// limit reads MaxResults.
func (rule pageRule) limit(c *Call) (int, error) {
	if !rule.bends {
		return c.integer("MaxResults", defaultPageSize, 1, rule.max, "InvalidParameter.MaxResults")
	}
	n, err := c.integer("MaxResults", defaultPageSize, math.MinInt, math.MaxInt, "InvalidParameter.MaxResults")
	return min(max(n, defaultPageSize), rule.max), err
}

// paging is the page that a call asks for, in either style.
type paging struct {
	// limit is how many elements the page holds at most.
	limit int
	// number counts from 1 in the outgoing style; 0 is the current style.
	number int
	// tokens is the kind of token that continues the walk; empty if the answer carries none.
	tokens TokenKind
	// after is the position that the page's elements are behind, by a token of the keyset; empty starts at the first.
	after string
	// skip is how many elements come before the page, by a token of the offset.
	skip int
	// filters identifies the question that a token continues.
	filters [sha256.Size]byte
}

// paging reads the paging parameters. MaxResults or NextToken, if sent, make PageNumber and PageSize ignored, bad
// values included. A call that has none of the four may go on in either style, so it gets both answers.
// filters is anything that encodes to JSON and is the same for all pages of a walk. The caller holds Emulator.mu.
func (e *Emulator) paging(c *Call, rule pageRule, filters any) (paging, error) {
	if rule.whole {
		return paging{number: 1, limit: rule.max}, nil
	}
	p := paging{number: 1, tokens: e.settings.PageTokens, filters: hashFilters(c, e.settings, filters)}
	token := c.Parameter("NextToken")
	var err error
	if c.Parameter("MaxResults") != "" || token != "" {
		p.number = 0
		if p.limit, err = rule.limit(c); err != nil {
			return paging{}, err
		}
		if token != "" {
			err = p.goOn(e.tokens, token)
		}
		return p, err
	}
	if c.Parameter("PageNumber") != "" || c.Parameter("PageSize") != "" {
		p.tokens = ""
	}
	if p.number, err = c.integer("PageNumber", 1, 1, math.MaxInt32, "InvalidParam.PageNumber"); err != nil {
		return paging{}, err
	}
	p.limit, err = c.integer("PageSize", defaultPageSize, 1, rule.max, "InvalidParam.PageSize")
	p.skip = (p.number - 1) * p.limit
	return p, err
}

// pageAnswer is the part of an answer that tells about its page. All four elements are always sent.
type pageAnswer struct {
	PageSize   int    `json:"PageSize" xml:"PageSize"`
	PageNumber int    `json:"PageNumber" xml:"PageNumber"`
	TotalCount int    `json:"TotalCount" xml:"TotalCount"`
	NextToken  string `json:"NextToken" xml:"NextToken"`
}

// listing is what a call may see, in the order in which it is listed.
type listing[T any] struct {
	// elements are in the order of their positions, or the other way round if reversed is set.
	elements []T
	reversed bool
	// position grows along the list, and no two elements have the same.
	position func(T) string
	// match says whether an element is listed at all; nil lists all.
	match func(T) bool
}

func (l listing[T]) at(n int) T {
	if l.reversed {
		n = len(l.elements) - 1 - n
	}
	return l.elements[n]
}

// take takes the elements of a page, after leaving out lost of them besides. It counts all there are, in the
// current style those up to the first of the next page only.
func (l listing[T]) take(p paging, lost int) (page []T, total int, more bool) {
	start := 0
	if p.after != "" {
		start = sort.Search(len(l.elements), func(n int) bool { return l.position(l.at(n)) > p.after })
	}
	skip := p.skip + lost
	page = make([]T, 0, p.limit)
	if l.match == nil {
		first := min(start+skip, len(l.elements))
		last := min(first+p.limit, len(l.elements))
		for n := first; n < last; n++ {
			page = append(page, l.at(n))
		}
		return page, len(l.elements) - start, last < len(l.elements)
	}
	for n := start; n < len(l.elements) && (!more || p.number > 0); n++ {
		element := l.at(n)
		if !l.match(element) {
			continue
		}
		total++
		switch {
		case total <= skip:
		case len(page) < p.limit:
			page = append(page, element)
		default:
			more = true
		}
	}
	return page, total, more
}

// describe is what the Describe* actions have in common: it reads which page is asked for, takes it out of the
// listing, and shows each of its elements. list and show are called with Emulator.mu held.
func describe[T, A any](e *Emulator, c *Call, rule pageRule, filters any, list func() (listing[T], error), show func(T) A) ([]A, pageAnswer, error) {
	e.mu.LockToRead()
	defer e.mu.Unlock()
	p, err := e.paging(c, rule, filters)
	if err != nil {
		return nil, pageAnswer{}, err
	}
	all, err := list()
	if err != nil {
		return nil, pageAnswer{}, err
	}
	lost := 0
	if c.fault.Kind == FaultLosePage {
		lost = p.limit
	}
	page, total, more := all.take(p, lost)
	shown := make([]A, len(page))
	for n, element := range page {
		shown[n] = show(element)
	}
	var about pageAnswer
	if p.number > 0 {
		about = pageAnswer{PageSize: p.limit, PageNumber: p.number, TotalCount: total}
	}
	if more && p.tokens != "" {
		about.NextToken = p.token(e.tokens, all.position(page[len(page)-1]), p.skip+lost+len(page))
	}
	return shown, about, nil
}
