package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
)

// goV1Client is the vendor's Go SDK, version 1.
type goV1Client struct {
	// endpoint is host:port.
	endpoint string
	// format is the value of Format: JSON or XML.
	format string
}

func (g *goV1Client) close() error { return nil }

func (g *goV1Client) call(_ context.Context, c call) (reply, error) {
	var credential auth.Credential = credentials.NewAccessKeyCredential(c.Identity.AccessKeyID, c.Identity.AccessKeySecret)
	if c.Identity.SecurityToken != "" {
		credential = credentials.NewStsTokenCredential(c.Identity.AccessKeyID, c.Identity.AccessKeySecret, c.Identity.SecurityToken)
	}
	config := sdk.NewConfig().WithScheme("HTTP")
	var response responses.AcsResponse
	var err error
	switch {
	case c.Untyped:
		return g.untyped(c, config, credential)
	case c.Product == "Sts":
		var s *sts.Client
		if s, err = sts.NewClientWithOptions(region, config, credential); err == nil {
			s.Domain = g.endpoint
			response, err = g.typed(reflect.ValueOf(s), stsRequests[c.Action], c)
		}
	default:
		var s *ecs.Client
		if s, err = ecs.NewClientWithOptions(region, config, credential); err == nil {
			s.Domain = g.endpoint
			response, err = g.typed(reflect.ValueOf(s), ecsRequests[c.Action], c)
		}
	}
	if err != nil {
		return g.refused(err)
	}
	return g.read(response)
}

// ecsRequests and stsRequests make the SDK's requests, which reflection cannot find by name.
var ecsRequests = map[string]any{
	"CreateCommand":                ecs.CreateCreateCommandRequest,
	"DeleteCommand":                ecs.CreateDeleteCommandRequest,
	"DescribeCloudAssistantStatus": ecs.CreateDescribeCloudAssistantStatusRequest,
	"DescribeCommands":             ecs.CreateDescribeCommandsRequest,
	"DescribeInstances":            ecs.CreateDescribeInstancesRequest,
	"DescribeInvocationResults":    ecs.CreateDescribeInvocationResultsRequest,
	"DescribeInvocations":          ecs.CreateDescribeInvocationsRequest,
	"DescribeRegions":              ecs.CreateDescribeRegionsRequest,
	"InvokeCommand":                ecs.CreateInvokeCommandRequest,
	"ModifyCommand":                ecs.CreateModifyCommandRequest,
	"RebootInstance":               ecs.CreateRebootInstanceRequest,
	"RunCommand":                   ecs.CreateRunCommandRequest,
	"StartInstance":                ecs.CreateStartInstanceRequest,
	"StopInstance":                 ecs.CreateStopInstanceRequest,
	"StopInvocation":               ecs.CreateStopInvocationRequest,
}

var stsRequests = map[string]any{
	"AssumeRole":        sts.CreateAssumeRoleRequest,
	"GetCallerIdentity": sts.CreateGetCallerIdentityRequest,
}

// typed calls the SDK's method of the action.
func (g *goV1Client) typed(sdkClient reflect.Value, newRequest any, c call) (responses.AcsResponse, error) {
	if newRequest == nil {
		return nil, fmt.Errorf("the action %s has no request in gov1.go; add it, or make the step untyped", c.Action)
	}
	request := reflect.ValueOf(newRequest).Call(nil)[0]
	if err := setFields(request.Elem(), c.Parameters); err != nil {
		return nil, err
	}
	request.Interface().(requests.AcsRequest).SetScheme("HTTP")
	request.Elem().FieldByName("AcceptFormat").SetString(g.format)
	results := sdkClient.MethodByName(c.Action).Call([]reflect.Value{request})
	if err, failed := results[1].Interface().(error); failed {
		return nil, err
	}
	return results[0].Interface().(responses.AcsResponse), nil
}

// setFields sets the fields of an SDK's struct by their names on the wire.
func setFields(target reflect.Value, parameters map[string]any) error {
	for name, value := range parameters {
		// RegionId belongs to every request, and has no tag.
		field := target.FieldByName(name)
		for i := range target.NumField() {
			if target.Type().Field(i).Tag.Get("name") == name {
				field = target.Field(i)
			}
		}
		if !field.IsValid() {
			return fmt.Errorf("%s has no field for the parameter %s; make the step untyped", target.Type(), name)
		}
		if err := setField(field, value); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return nil
}

func setField(field reflect.Value, value any) error {
	switch v := value.(type) {
	case map[string]any:
		if field.Kind() == reflect.Map {
			field.Set(reflect.ValueOf(v))
			return nil
		}
		return setFields(field, v)
	case []any:
		list := reflect.New(field.Type().Elem())
		for _, element := range v {
			one := reflect.New(list.Elem().Type().Elem()).Elem()
			if err := setField(one, element); err != nil {
				return err
			}
			list.Elem().Set(reflect.Append(list.Elem(), one))
		}
		field.Set(list)
	default:
		// Numbers and flags are texts to this SDK.
		field.SetString(fmt.Sprint(v))
	}
	return nil
}

// untyped calls in JSON, whatever the format: there is no struct that XML could be read into.
func (g *goV1Client) untyped(c call, config *sdk.Config, credential auth.Credential) (reply, error) {
	s, err := sdk.NewClientWithOptions(region, config, credential)
	if err != nil {
		return reply{}, err
	}
	request := requests.NewCommonRequest()
	request.Method, request.Product, request.Domain, request.Scheme = "POST", c.Product, g.endpoint, "HTTP"
	request.Version, request.ApiName = versions[c.Product], c.Action
	for name, value := range c.Parameters {
		request.QueryParams[name] = fmt.Sprint(value)
	}
	response, err := s.ProcessCommonRequest(request)
	if err != nil {
		return g.refused(err)
	}
	var r reply
	err = json.Unmarshal(response.GetHttpContentBytes(), &r.wire)
	r.Decoded = r.wire
	return r, err
}

// read shows the SDK's struct as JSON, by its own tags, and beside it the answer on the wire if that is JSON.
func (g *goV1Client) read(response responses.AcsResponse) (reply, error) {
	var r reply
	if g.format == "JSON" {
		if err := json.Unmarshal(response.GetHttpContentBytes(), &r.wire); err != nil {
			return r, fmt.Errorf("the answer is no JSON: %w", err)
		}
	}
	encoded, err := json.Marshal(response)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(encoded, &r.Decoded)
}

func (g *goV1Client) refused(err error) (reply, error) {
	var refused *sdkerrors.ServerError
	if !errors.As(err, &refused) {
		return reply{Failure: err.Error()}, nil
	}
	r := &refusal{Status: refused.HttpStatus(), Code: refused.ErrorCode(), Message: refused.Message(), RequestID: refused.RequestId()}
	if r.Code == "" && g.format == "XML" {
		// This SDK reads errors in JSON only, and gives any other as text.
		var envelope struct {
			XMLName       xml.Name `xml:"Error"`
			Code, Message string
			RequestID     string `xml:"RequestId"`
		}
		if err := xml.NewDecoder(strings.NewReader(refused.Message())).Decode(&envelope); err != nil {
			return reply{}, fmt.Errorf("the refusal %q is no XML: %w", refused.Message(), err)
		}
		r.Code, r.Message, r.RequestID = envelope.Code, envelope.Message, envelope.RequestID
	}
	return reply{Refusal: r}, nil
}
