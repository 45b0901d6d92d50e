package cloudassistant

import (
	"strconv"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
)

// describeRequest puts a question and a page into the SDK's request. It is made anew for every call: the SDK
// keeps what it has once put into a request, so that a reused one would send an old page token.
func describeRequest(query Query, paging Paging) requests.AcsRequest {
	request := ecs.CreateDescribeInvocationResultsRequest()
	request.RegionId = query.RegionID
	request.ResourceGroupId = query.ResourceGroupID
	request.InvokeId = query.InvokeID
	request.InstanceId = query.InstanceID
	request.CommandId = query.CommandID
	request.InvokeRecordStatus = string(query.InvokeRecordStatus)
	if query.IncludeHistory {
		request.IncludeHistory = requests.NewBoolean(true)
	}
	request.ContentEncoding = string(query.encoding())
	request.MaxResults = integer(paging.MaxResults)
	request.NextToken = paging.NextToken
	request.PageNumber = integer(paging.PageNumber)
	request.PageSize = integer(paging.PageSize)
	for i, tag := range query.Tags {
		// Not by the request's Tag field, because the SDK leaves empty values out, and a tag with an empty
		// value is another filter than any value of that tag.
		prefix := "Tag." + strconv.Itoa(i+1) + "."
		request.QueryParams[prefix+"Key"] = tag.Key
		request.QueryParams[prefix+"Value"] = tag.Value
	}
	return request
}

// encoding is the encoding that the query asks for; Base64 unless it says otherwise.
func (q Query) encoding() ContentEncoding {
	if q.ContentEncoding == "" {
		return EncodingBase64
	}
	return q.ContentEncoding
}

// integer spells a parameter that is left out when 0.
func integer(n int) requests.Integer {
	if n == 0 {
		return ""
	}
	return requests.NewInteger(n)
}
