package emulator_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/emulator"
)

func TestDescribeRegions(t *testing.T) {
	b := newBench(t, emulator.Options{RegionIDs: []string{testRegion, "mars-1"}})
	response, err := b.sdk.DescribeRegions(ecs.CreateDescribeRegionsRequest())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, region := range response.Regions.Region {
		ids = append(ids, region.RegionId)
	}
	if !slices.Equal(ids, []string{testRegion, "mars-1"}) {
		t.Errorf("regions %v", ids)
	}
}

func TestDescribeInstances(t *testing.T) {
	b := newBench(t, emulator.Options{Instances: emulator.NumberedInstances(12, testRegion, "")})
	if err := b.e.AddInstance(emulator.Instance{ID: "i-elsewhere", RegionID: "cn-beijing"}); err != nil {
		t.Fatal(err)
	}
	if err := b.e.SetInstanceStatus(secondID, emulator.InstanceStopped); err != nil {
		t.Fatal(err)
	}
	var found []string
	for token := ""; ; {
		request := ecs.CreateDescribeInstancesRequest()
		request.MaxResults, request.NextToken = requests.NewInteger(10), token
		response, err := b.sdk.DescribeInstances(request)
		if err != nil {
			t.Fatal(err)
		}
		for _, instance := range response.Instances.Instance {
			found = append(found, instance.InstanceId+" "+instance.InstanceName+" "+instance.Status)
		}
		if token = response.NextToken; token == "" {
			break
		}
	}
	want := []string{firstID + " emulator-1 Running", secondID + " emulator-2 Stopped"}
	for n := 3; n <= 12; n++ {
		want = append(want, fmt.Sprintf("i-emulator%010d emulator-%d Running", n, n))
	}
	if !slices.Equal(found, want) {
		t.Errorf("instances %q, want %q", found, want)
	}
	one := ecs.CreateDescribeInstancesRequest()
	one.InstanceIds = `["` + thirdID + `","i-nobody"]`
	response, err := b.sdk.DescribeInstances(one)
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Instances.Instance) != 1 || response.Instances.Instance[0].InstanceId != thirdID || response.TotalCount != 1 {
		t.Errorf("asked for one, the answer is %+v", response)
	}
}

func TestDescribeInstancesByFilters(t *testing.T) {
	b := newBench(t, emulator.Options{})
	tagged := emulator.Instance{ID: "i-tagged", Name: "web-1", OSType: emulator.OSWindows, Tags: []emulator.Tag{{Key: "role", Value: "web"}}}
	if err := b.e.AddInstance(tagged); err != nil {
		t.Fatal(err)
	}
	for filter, change := range map[string]func(*ecs.DescribeInstancesRequest){
		"a tag": func(r *ecs.DescribeInstancesRequest) {
			r.Tag = &[]ecs.DescribeInstancesTag{{Key: "role", Value: "web"}}
		},
		"a name":   func(r *ecs.DescribeInstancesRequest) { r.InstanceName = "web*" },
		"a status": func(r *ecs.DescribeInstancesRequest) { r.InstanceName, r.Status = "w*", "Running" },
	} {
		request := ecs.CreateDescribeInstancesRequest()
		change(request)
		response, err := b.sdk.DescribeInstances(request)
		if err != nil {
			t.Fatal(err)
		}
		found := response.Instances.Instance
		if len(found) != 1 || found[0].InstanceId != "i-tagged" || found[0].OSType != "windows" || len(found[0].Tags.Tag) != 1 || found[0].Tags.Tag[0].TagValue != "web" {
			t.Errorf("found by %s: %+v", filter, found)
		}
	}
	b.raw(nil).call(t, "DescribeInstances", "Tag.1.Value", "x").wantCode(t, 400, "MissingParameter.TagKey")
	b.raw(nil).call(t, "DescribeInstances", "InstanceIds", thirdID).wantCode(t, 400, "InvalidParameter.InstanceIds")
	b.raw(nil).call(t, "DescribeInstances", "PageSize", "x").wantCode(t, 400, "InvalidParam.PageSize")
}

// The sizes of pages that the vendor takes are each action's own.
func TestPageSizes(t *testing.T) {
	b := newBench(t, emulator.Options{Instances: emulator.NumberedInstances(120, testRegion, "")})
	r := b.raw(nil)
	tests := []struct {
		action, name, size string
		want               int
		code               string
	}{
		{"DescribeInstances", "PageSize", "100", 100, ""},
		{"DescribeInstances", "PageSize", "1", 1, ""},
		{"DescribeInstances", "PageSize", "101", 0, "InvalidParam.PageSize"},
		{"DescribeInstances", "MaxResults", "100", 100, ""},
		{"DescribeInstances", "MaxResults", "1000", 100, ""},
		{"DescribeInstances", "MaxResults", "1", 10, ""},
		{"DescribeInstances", "MaxResults", "ten", 0, "InvalidParameter.MaxResults"},
		{"DescribeCloudAssistantStatus", "PageSize", "50", 50, ""},
		{"DescribeCloudAssistantStatus", "PageSize", "51", 0, "InvalidParam.PageSize"},
		{"DescribeCloudAssistantStatus", "MaxResults", "51", 0, "InvalidParameter.MaxResults"},
		{"DescribeCommands", "PageSize", "51", 0, "InvalidParam.PageSize"},
		{"DescribeInvocations", "MaxResults", "51", 0, "InvalidParameter.MaxResults"},
	}
	sets := map[string][2]string{
		"DescribeInstances": {"Instances", "Instance"}, "DescribeCloudAssistantStatus": {"InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus"},
	}
	for _, tt := range tests {
		t.Run(tt.action+" "+tt.name+"="+tt.size, func(t *testing.T) {
			got := r.call(t, tt.action, tt.name, tt.size)
			if tt.code != "" {
				got.wantCode(t, 400, tt.code)
				return
			}
			set := sets[tt.action]
			if found := got.object(t)[set[0]].(map[string]any)[set[1]].([]any); len(found) != tt.want {
				t.Errorf("%d on the page, want %d", len(found), tt.want)
			}
		})
	}
}

// Agents that are asked for by name are not paged: the parameters of paging are ignored, bad ones too.
func TestNamedAgentsAreNotPaged(t *testing.T) {
	b := newBench(t, emulator.Options{Instances: emulator.NumberedInstances(100, testRegion, "")})
	var named []string
	for n := range 100 {
		named = append(named, fmt.Sprintf("InstanceId.%d", n+1), fmt.Sprintf("i-emulator%010d", n+1))
	}
	for _, paging := range [][]string{nil, {"MaxResults", "5"}, {"PageSize", "x", "PageNumber", "2"}, {"NextToken", "AAAA"}} {
		got := b.raw(nil).call(t, "DescribeCloudAssistantStatus", append(named, paging...)...).object(t)
		if found := got["InstanceCloudAssistantStatusSet"].(map[string]any)["InstanceCloudAssistantStatus"].([]any); len(found) != 100 {
			t.Errorf("with %v: %d agents, want the 100 that were named", paging, len(found))
		}
		if got["TotalCount"] != 100.0 || got["NextToken"] != "" {
			t.Errorf("with %v: TotalCount %v, NextToken %q", paging, got["TotalCount"], got["NextToken"])
		}
	}
}
