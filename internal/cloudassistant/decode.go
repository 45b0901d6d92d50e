package cloudassistant

import (
	"encoding/base64"
	"encoding/json"
)

// The shape of a DescribeInvocationResults answer. Unknown fields are ignored: the vendor adds some.
type (
	wireAnswer struct {
		RequestID  text `json:"RequestId"`
		Invocation *struct {
			PageSize          number
			PageNumber        number
			TotalCount        number
			NextToken         text
			InvocationResults *struct {
				InvocationResult []wireRecord
			}
		}
	}

	wireRecord struct {
		CommandID          text `json:"CommandId"`
		InvokeID           text `json:"InvokeId"`
		InstanceID         text `json:"InstanceId"`
		ContainerID        text `json:"ContainerId"`
		ContainerName      text
		InvocationStatus   text
		InvokeRecordStatus text
		ExitCode           number
		ErrorCode          text
		ErrorInfo          text
		Output             text
		Dropped            number
		Repeats            number
		StartTime          instant
		FinishedTime       instant
		StopTime           instant
		Username           text
		Launcher           text
		TerminationMode    text
		Tags               tagList
		OSSOutputDelivery  text `json:"OssOutputDelivery"`
		OSSOutputURI       text `json:"OssOutputUri"`
		OSSOutputStatus    text `json:"OssOutputStatus"`
		OSSOutputErrorCode text `json:"OssOutputErrorCode"`
		OSSOutputErrorInfo text `json:"OssOutputErrorInfo"`
	}
)

// decodePage reads a whole answer to a question that asked for the given encoding. It takes nothing for an
// empty list but an empty list: an answer that lacks its envelope, or a row that lacks its identity, is
// malformed, since "no results" would be read as a fact.
func decodePage(got answer, encoding ContentEncoding) (*Page, error) {
	var wire wireAnswer
	err := json.Unmarshal(got.body, &wire)
	switch {
	case len(got.body) == 0:
		return nil, malformed(got, "the answer is empty")
	case err != nil:
		// The decoder's own words could quote the answer.
		return nil, malformed(got, "the answer is not the JSON that the API documents")
	case wire.RequestID == "":
		return nil, malformed(got, "the answer lacks its request ID")
	case wire.Invocation == nil || wire.Invocation.InvocationResults == nil:
		return nil, malformed(got, "the answer lacks its results")
	}
	rows := wire.Invocation.InvocationResults.InvocationResult
	page := &Page{
		RequestID:  got.clean.name(string(wire.RequestID)),
		Records:    make([]Record, 0, len(rows)),
		NextToken:  string(wire.Invocation.NextToken),
		TotalCount: int(wire.Invocation.TotalCount.value),
		PageNumber: int(wire.Invocation.PageNumber.value),
		PageSize:   int(wire.Invocation.PageSize.value),
		Bytes:      int64(len(got.body)),
	}
	for _, row := range rows {
		if row.InvokeID == "" || row.InstanceID == "" {
			return nil, malformed(got, "a result lacks its invocation or instance ID")
		}
		page.Records = append(page.Records, row.record(encoding))
	}
	return page, nil
}

func (w wireRecord) record(encoding ContentEncoding) Record {
	return Record{
		CommandID:          string(w.CommandID),
		InvokeID:           string(w.InvokeID),
		InstanceID:         string(w.InstanceID),
		ContainerID:        string(w.ContainerID),
		ContainerName:      string(w.ContainerName),
		InvocationStatus:   InvocationStatus(w.InvocationStatus),
		InvokeRecordStatus: InvokeRecordStatus(w.InvokeRecordStatus),
		ExitCode:           w.ExitCode.pointer(),
		ErrorCode:          string(w.ErrorCode),
		ErrorInfo:          string(w.ErrorInfo),
		Output:             decodeOutput(string(w.Output), encoding),
		Dropped:            w.Dropped.value,
		Repeats:            w.Repeats.value,
		StartTime:          w.StartTime.Time,
		FinishedTime:       w.FinishedTime.Time,
		StopTime:           w.StopTime.Time,
		Username:           string(w.Username),
		Launcher:           string(w.Launcher),
		TerminationMode:    string(w.TerminationMode),
		Tags:               w.Tags,
		OSSOutput: OSSOutput{
			Delivery:  string(w.OSSOutputDelivery),
			URI:       string(w.OSSOutputURI),
			Status:    string(w.OSSOutputStatus),
			ErrorCode: string(w.OSSOutputErrorCode),
			ErrorInfo: string(w.OSSOutputErrorInfo),
		},
	}
}

// decodeOutput turns Output into what the command printed; nil if nothing. What was asked for in Base64 and is
// not is kept as it came: an output in the wrong encoding is better than none.
func decodeOutput(output string, encoding ContentEncoding) []byte {
	if output == "" {
		return nil
	}
	if encoding == EncodingBase64 {
		decoded, err := base64.StdEncoding.DecodeString(output)
		switch {
		case err == nil && len(decoded) == 0:
			// Line breaks, which Base64 may have anywhere, and nothing else.
			return nil
		case err == nil:
			return decoded
		}
	}
	return []byte(output)
}
