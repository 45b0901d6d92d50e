package cloudassistant

import (
	"context"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// Session ties the client to the credentials of one identity. account is what Session.Account returns. It
// costs nothing: no call is made before the first question.
func (c *Client) Session(credentials CredentialProvider, account string) Session {
	return &session{client: c, credentials: credentials, account: account}
}

type session struct {
	opaque
	client      *Client
	credentials CredentialProvider
	account     string
}

func (s *session) Account() string { return s.account }

func (s *session) DescribeInvocationResults(ctx context.Context, query Query, paging Paging) (*Page, error) {
	at, err := s.client.ecsEndpoint(query.RegionID)
	if err != nil {
		return nil, err
	}
	got, err := s.client.call(ctx, at, s.credentials, func() requests.AcsRequest {
		return describeRequest(query, paging)
	})
	if err != nil {
		return nil, err
	}
	return decodePage(got, query.encoding())
}
