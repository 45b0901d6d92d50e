package emulator

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
)

// goOn sets where the page of a token begins.
func (p *paging) goOn(tokens tokenSigner, token string) error {
	place, err := tokens.open(token, p.filters)
	if err != nil {
		return err
	}
	if p.tokens == TokensOffset {
		p.skip = int(binary.BigEndian.Uint64([]byte(place)))
		return nil
	}
	p.after = place
	return nil
}

// token makes the token of the page behind one that ends at a position, and has so many elements before its end.
func (p paging) token(tokens tokenSigner, position string, offset int) string {
	if p.tokens == TokensOffset {
		position = number(uint64(offset))
	}
	return tokens.seal(position, p.filters)
}

// number is a text that sorts as the number does.
func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// newestFirst is the position of what was made under a sequence number, where lists begin with the newest.
func newestFirst(sequence uint64) string { return number(math.MaxUint64 - sequence) }

// tokenSigner makes page tokens that nobody else can make.
type tokenSigner struct{ key []byte }

func newTokenSigner() tokenSigner {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key)
	return tokenSigner{key}
}

const tokenMACSize = 16

// seal makes the token of a place in a listing. It holds the place and a code that binds it to the filters; what
// they are cannot be read from it.
func (s tokenSigner) seal(place string, filters [sha256.Size]byte) string {
	return base64.RawURLEncoding.EncodeToString(append(s.code(place, filters), place...))
}

// open is the reverse of seal. It refuses a token that was changed, or made for other filters.
func (s tokenSigner) open(token string, filters [sha256.Size]byte) (string, error) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(data) < tokenMACSize {
		return "", refuse("InvalidParameter.NextToken")
	}
	code, place := data[:tokenMACSize], string(data[tokenMACSize:])
	if !hmac.Equal(code, s.code(place, filters)) {
		return "", refuse("InvalidParameter.NextToken")
	}
	return place, nil
}

func (s tokenSigner) code(place string, filters [sha256.Size]byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(filters[:])
	mac.Write([]byte(place))
	return mac.Sum(nil)[:tokenMACSize]
}

// hashFilters identifies a question: the action, who asks, where, the filters, and what the order of the answer and
// the meaning of a token depend on.
func hashFilters(c *Call, s Settings, filters any) [sha256.Size]byte {
	encoded, err := json.Marshal([]any{c.Action, c.AccountID, c.RegionID, s.RowOrder, s.Seed, s.PageTokens, filters})
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(encoded)
}
