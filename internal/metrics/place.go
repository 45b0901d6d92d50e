package metrics

import "strings"

const (
	// unknown is the account of whoever has no credentials yet, or whose account could not be learnt.
	unknown = "unknown"
	// other stands for whatever would be one value too many.
	other = "other"
	// maxAccountDigits is more than the IDs of accounts have.
	maxAccountDigits = 20
)

// place is what the API counts calls by.
type place struct {
	region, account string
}

// place is where calls of an account are counted. An account that could not be learnt stands for a Secret or a role by
// their names, which are nobody's business.
func (m *Metrics) place(region, account string) place {
	p := place{region: region, account: account}
	if account == "" || len(account) > maxAccountDigits || strings.Trim(account, "0123456789") != "" {
		p.account = unknown
	}
	if !m.places.use(p, m.clock.Now()) {
		return place{region: other, account: other}
	}
	return p
}
