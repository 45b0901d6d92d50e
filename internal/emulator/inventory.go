package emulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

type regionsAnswer struct {
	answerHead
	Regions struct {
		Region []regionAnswer `json:"Region" xml:"Region"`
	} `json:"Regions" xml:"Regions"`
}

type regionAnswer struct {
	RegionID       string `json:"RegionId" xml:"RegionId"`
	RegionEndpoint string `json:"RegionEndpoint" xml:"RegionEndpoint"`
	LocalName      string `json:"LocalName" xml:"LocalName"`
	Status         string `json:"Status" xml:"Status"`
}

// describeRegions lists the regions. Every one of them has the emulator itself as its endpoint.
func (e *Emulator) describeRegions(c *Call) (any, error) {
	answer := &regionsAnswer{answerHead: answerHead{c.requestID}}
	for _, id := range e.options.RegionIDs {
		answer.Regions.Region = append(answer.Regions.Region, regionAnswer{id, c.host, id, "available"})
	}
	return answer, nil
}

type instancesAnswer struct {
	answerHead
	pageAnswer
	Instances struct {
		Instance []instanceAnswer `json:"Instance" xml:"Instance"`
	} `json:"Instances" xml:"Instances"`
}

type instanceAnswer struct {
	InstanceID   string `json:"InstanceId" xml:"InstanceId"`
	InstanceName string `json:"InstanceName" xml:"InstanceName"`
	RegionID     string `json:"RegionId" xml:"RegionId"`
	Status       string `json:"Status" xml:"Status"`
	OSType       string `json:"OSType" xml:"OSType"`
}

// describeInstances lists the instances of the account in the region by ID. Of the filters it knows InstanceIds,
// a JSON array.
func (e *Emulator) describeInstances(c *Call) (any, error) {
	var wanted []string
	if text := c.Parameter("InstanceIds"); text != "" {
		if err := json.Unmarshal([]byte(text), &wanted); err != nil {
			return nil, refuse("InvalidParameter.InstanceIds")
		}
	}
	page, about, err := describe(e, c, wanted, func() (listing[*instance], error) {
		return listing[*instance]{
			elements: slices.SortedFunc(maps.Values(e.instances), func(a, b *instance) int { return strings.Compare(a.ID, b.ID) }),
			position: func(i *instance) string { return i.ID },
			match: func(i *instance) bool {
				return i.AccountID == c.AccountID && i.RegionID == c.RegionID && (wanted == nil || slices.Contains(wanted, i.ID))
			},
		}, nil
	}, func(i *instance) instanceAnswer {
		return instanceAnswer{i.ID, i.Name, i.RegionID, string(i.Status), "linux"}
	})
	if err != nil {
		return nil, err
	}
	answer := &instancesAnswer{answerHead: answerHead{c.requestID}, pageAnswer: about}
	answer.Instances.Instance = page
	return answer, nil
}
