package emulator_test

import (
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
	b := newBench(t, emulator.Options{})
	if err := b.e.AddInstance(emulator.Instance{ID: "i-elsewhere", RegionID: "cn-beijing"}); err != nil {
		t.Fatal(err)
	}
	if err := b.e.SetInstanceStatus(secondID, emulator.InstanceStopped); err != nil {
		t.Fatal(err)
	}
	var found []string
	for token := ""; ; {
		request := ecs.CreateDescribeInstancesRequest()
		request.MaxResults, request.NextToken = requests.NewInteger(2), token
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
	want := []string{firstID + " emulator-1 Running", secondID + " emulator-2 Stopped", thirdID + " emulator-3 Running"}
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
