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
	InstanceID   string     `json:"InstanceId" xml:"InstanceId"`
	InstanceName string     `json:"InstanceName" xml:"InstanceName"`
	RegionID     string     `json:"RegionId" xml:"RegionId"`
	Status       string     `json:"Status" xml:"Status"`
	OSType       string     `json:"OSType" xml:"OSType"`
	Tags         tagsAnswer `json:"Tags" xml:"Tags"`
}

// describeInstances lists the instances of the account in the region by ID. Of the filters it knows InstanceIds, a
// JSON array, InstanceName, in which * is any text, Status and Tag.
func (e *Emulator) describeInstances(c *Call) (any, error) {
	var wanted []string
	if text := c.Parameter("InstanceIds"); text != "" {
		if err := json.Unmarshal([]byte(text), &wanted); err != nil {
			return nil, refuse("InvalidParameter.InstanceIds")
		}
	}
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	name, status := c.Parameter("InstanceName"), c.Parameter("Status")
	match := func(i *instance) bool {
		return (wanted == nil || slices.Contains(wanted, i.ID)) && (name == "" || matchesPattern(name, i.Name)) &&
			(status == "" || string(i.Status) == status) && containsTags(i.Tags, tags)
	}
	page, about, err := describeOwn(e, c, instancePages, []any{wanted, name, status, tags}, match, func(i *instance) instanceAnswer {
		return instanceAnswer{i.ID, i.Name, i.RegionID, string(i.Status), i.OSType, newTagsAnswer(i.Tags)}
	})
	if err != nil {
		return nil, err
	}
	answer := &instancesAnswer{answerHead: answerHead{c.requestID}, pageAnswer: about}
	answer.Instances.Instance = page
	return answer, nil
}

// describeOwn takes a page of those instances of the account in the region that match, by ID.
func describeOwn[A any](e *Emulator, c *Call, rule pageRule, filters any, match func(*instance) bool, show func(*instance) A) ([]A, pageAnswer, error) {
	return describe(e, c, rule, filters, func() (listing[*instance], error) {
		return listing[*instance]{
			elements: slices.SortedFunc(maps.Values(e.instances), func(a, b *instance) int { return strings.Compare(a.ID, b.ID) }),
			position: func(i *instance) string { return i.ID },
			match:    func(i *instance) bool { return i.AccountID == c.AccountID && i.RegionID == c.RegionID && match(i) },
		}, nil
	}, show)
}

// matchesPattern compares a name with a pattern, in which * stands for any text.
func matchesPattern(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == name
	}
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	// The earliest place of each part leaves the most room for the next.
	name = name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name = name[at+len(part):]
	}
	return true
}
