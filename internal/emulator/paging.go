package emulator

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math"
)

// The limits of paging, as the page of DescribeInvocationResults gives them.
const (
	defaultPageSize = 10
	maxPageSize     = 50
)

// paging is the page that a call asks for, in either style.
type paging struct {
	// limit is how many elements the page holds at most.
	limit int
	// number counts from 1 in the outgoing style; 0 is the current style.
	number int
	// token says whether the answer may carry a token for the next page.
	token bool
	// before is the sequence number that the page's elements are below; 0 starts at the newest.
	before uint64
	// filters identifies the question that a token continues.
	filters [sha256.Size]byte
}

// paging reads the paging parameters. MaxResults or NextToken, if sent, make PageNumber and PageSize ignored, bad
// values included. A call that has none of the four may go on in either style, so it gets both answers.
// filters is anything that encodes to JSON and is the same for all pages of a walk.
func (e *Emulator) paging(c *Call, filters any) (paging, error) {
	p := paging{number: 1, token: true, filters: hashFilters(c, filters)}
	token := c.Parameter("NextToken")
	var err error
	if c.Parameter("MaxResults") != "" || token != "" {
		p.number = 0
		if p.limit, err = c.integer("MaxResults", defaultPageSize, 1, maxPageSize, "InvalidParameter.MaxResults"); err != nil {
			return paging{}, err
		}
		if token != "" {
			p.before, err = e.tokens.open(token, p.filters)
		}
		return p, err
	}
	p.token = c.Parameter("PageNumber") == "" && c.Parameter("PageSize") == ""
	if p.number, err = c.integer("PageNumber", 1, 1, math.MaxInt32, "InvalidParam.PageNumber"); err != nil {
		return paging{}, err
	}
	p.limit, err = c.integer("PageSize", defaultPageSize, 1, maxPageSize, "InvalidParam.PageSize")
	return p, err
}

// pageAnswer is the part of an answer that tells about its page. All four elements are always sent.
type pageAnswer struct {
	PageSize   int    `json:"PageSize" xml:"PageSize"`
	PageNumber int    `json:"PageNumber" xml:"PageNumber"`
	TotalCount int    `json:"TotalCount" xml:"TotalCount"`
	NextToken  string `json:"NextToken" xml:"NextToken"`
}

// takePage takes the page out of all elements that answer the question, newest first. losePage leaves out as
// many elements as a page holds before it begins.
func takePage[T any](e *Emulator, p paging, all iter.Seq[T], sequenceOf func(T) uint64, losePage bool) ([]T, pageAnswer) {
	skip := 0
	if p.number > 0 {
		skip = (p.number - 1) * p.limit
	}
	if losePage {
		skip += p.limit
	}
	page := make([]T, 0, p.limit)
	total, more := 0, false
	for element := range all {
		total++
		switch {
		case total <= skip:
		case len(page) < p.limit:
			page = append(page, element)
		default:
			more = true
		}
		// The outgoing style counts all there is.
		if more && p.number == 0 {
			break
		}
	}
	var answer pageAnswer
	if p.number > 0 {
		answer = pageAnswer{PageSize: p.limit, PageNumber: p.number, TotalCount: total}
	}
	if more && p.token {
		answer.NextToken = e.tokens.seal(sequenceOf(page[len(page)-1]), p.filters)
	}
	return page, answer
}

// tokenSigner makes page tokens that nobody else can make.
type tokenSigner struct{ key []byte }

func newTokenSigner() tokenSigner {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key)
	return tokenSigner{key}
}

const tokenMACSize = 16

// seal makes the token of the page below a sequence number. It holds the number and a code that binds it to the
// filters; what they are cannot be read from it.
func (s tokenSigner) seal(sequence uint64, filters [sha256.Size]byte) string {
	position := binary.BigEndian.AppendUint64(nil, sequence)
	return base64.RawURLEncoding.EncodeToString(append(position, s.code(position, filters)...))
}

// open is the reverse of seal. It refuses a token that was changed, or made for other filters.
func (s tokenSigner) open(token string, filters [sha256.Size]byte) (uint64, error) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(data) != 8+tokenMACSize || !hmac.Equal(data[8:], s.code(data[:8], filters)) {
		return 0, refuse("InvalidParameter.NextToken")
	}
	return binary.BigEndian.Uint64(data), nil
}

func (s tokenSigner) code(position []byte, filters [sha256.Size]byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(position)
	mac.Write(filters[:])
	return mac.Sum(nil)[:tokenMACSize]
}

// hashFilters identifies a question: the action, who asks, where, and the filters.
func hashFilters(c *Call, filters any) [sha256.Size]byte {
	encoded, err := json.Marshal([]any{c.Action, c.AccountID, c.RegionID, filters})
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(encoded)
}
