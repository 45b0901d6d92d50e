package emulator

import (
	"encoding/json"
	"encoding/xml"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// answers make what the actions answer, empty.
var answers = map[string]func() any{
	"RunCommand": empty[submitAnswer], "InvokeCommand": empty[submitAnswer], "StopInvocation": empty[emptyAnswer],
	"CreateCommand": empty[createCommandAnswer], "DescribeCommands": empty[commandsAnswer], "ModifyCommand": empty[emptyAnswer],
	"DeleteCommand": empty[emptyAnswer], "DescribeInvocations": empty[invocationsAnswer], "DescribeInvocationResults": empty[resultsAnswer],
	"DescribeInstances": empty[instancesAnswer], "DescribeRegions": empty[regionsAnswer], "DescribeCloudAssistantStatus": empty[agentsAnswer],
	"StartInstance": empty[emptyAnswer], "StopInstance": empty[emptyAnswer], "RebootInstance": empty[emptyAnswer],
	"GetCallerIdentity": empty[identityAnswer], "AssumeRole": empty[assumeRoleAnswer],
	"AssumeRoleWithOIDC": func() any { return &assumeWithOIDCAnswer{assumeRoleAnswer: &assumeRoleAnswer{}} },
	// Not an action, but what any of them may answer.
	"Error": empty[errorAnswer],
}

func empty[T any]() any { return new(T) }

// text has what XML and JSON escape, each in its own way, and no control character, which XML does not have.
var text = rapid.StringOfN(rapid.RuneFrom([]rune("ab <>&\"'\\/\n\t=;é中🙂\u2028")), 0, 8, -1)

// draw gives every field of a value one that is drawn.
func draw(t *rapid.T, value reflect.Value) {
	switch value.Kind() {
	case reflect.Struct:
		for n := range value.NumField() {
			if value.Type().Field(n).Type != reflect.TypeFor[xml.Name]() {
				draw(t, value.Field(n))
			}
		}
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		for n := range value.Len() {
			draw(t, value.Index(n))
		}
	case reflect.Pointer:
		switch {
		case !value.IsNil():
			draw(t, value.Elem())
		case rapid.Bool().Draw(t, "present"):
			value.Set(reflect.New(value.Type().Elem()))
			draw(t, value.Elem())
		}
	case reflect.String:
		value.SetString(text.Draw(t, "text"))
	case reflect.Bool:
		value.SetBool(rapid.Bool().Draw(t, "flag"))
	case reflect.Int, reflect.Int64:
		value.SetInt(rapid.Int64Range(-1, 1<<31).Draw(t, "number"))
	default:
		t.Fatalf("an answer has a %s; teach draw to draw one", value.Type())
	}
}

// emptied makes every empty list nil: XML has no way to tell the two apart.
func emptied(value reflect.Value) {
	switch value.Kind() {
	case reflect.Struct:
		for n := range value.NumField() {
			emptied(value.Field(n))
		}
	case reflect.Slice:
		if value.Len() == 0 {
			value.SetZero()
		}
		for n := range value.Len() {
			emptied(value.Index(n))
		}
	case reflect.Pointer:
		if !value.IsNil() {
			emptied(value.Elem())
		}
	}
}

// XML and JSON say the same, whatever an action answers.
func TestXMLAndJSONSayTheSame(t *testing.T) {
	for _, actions := range operations {
		for action := range actions {
			if answers[action] == nil {
				t.Errorf("the answer of %s is not among those tested", action)
			}
		}
	}
	for action, newAnswer := range answers {
		t.Run(action, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				answer, inJSON, inXML := newAnswer(), newAnswer(), newAnswer()
				draw(t, reflect.ValueOf(answer).Elem())
				root := xml.StartElement{Name: xml.Name{Local: action}}
				asJSON := encode(&Call{json: true}, answer, root)
				if err := json.Unmarshal(asJSON, inJSON); err != nil {
					t.Fatalf("%v: %s", err, asJSON)
				}
				asXML := encode(&Call{}, answer, root)
				if err := xml.Unmarshal(asXML, inXML); err != nil {
					t.Fatalf("%v: %s", err, asXML)
				}
				if refusal, isError := inXML.(*errorAnswer); isError {
					refusal.XMLName = xml.Name{}
				}
				emptied(reflect.ValueOf(inJSON).Elem())
				emptied(reflect.ValueOf(inXML).Elem())
				if !reflect.DeepEqual(inJSON, inXML) {
					t.Errorf("JSON and XML differ:\n%s\n%s", asJSON, asXML)
				}
			})
		})
	}
}
