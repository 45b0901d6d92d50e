package scenario

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// decodeDocument reads the one document of a file into a struct, strictly. Every error is one sentence with the line
// and the path of what is wrong, which no decoder of structs offers. The keys are the names of the Go fields with a
// small first letter, so that whatever the emulator's own types get is at once there in scenarios.
func decodeDocument(data []byte, into any) error {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	var document, further yaml.Node
	switch err := documents.Decode(&document); {
	case errors.Is(err, io.EOF):
		return errors.New("the scenario is empty; give it at least one key, such as instances")
	case err != nil:
		return fmt.Errorf("the scenario is no YAML: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	if err := documents.Decode(&further); !errors.Is(err, io.EOF) {
		return errors.New("the scenario has more than one document; give one file for each")
	}
	return decode(document.Content[0], reflect.ValueOf(into).Elem(), "")
}

// decode sets v, which is its zero value, to what the node says.
func decode(node *yaml.Node, v reflect.Value, path string) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if document, ok := v.Addr().Interface().(json.Unmarshaler); ok && v.Type() != reflect.TypeFor[time.Time]() {
		return decodeJSON(node, document, path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(node, v.Elem(), path)
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			return decodeStruct(node, v, path)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			return decodeSlice(node, v, path)
		}
	}
	if node.Kind != yaml.ScalarNode {
		return at(node, path, "give one value, not a list or a map")
	}
	if !setScalar(node, v) {
		return at(node, path, fmt.Sprintf("%q is %s", node.Value, complaint(v)))
	}
	return nil
}

// decodeJSON is for what has a form of its own, such as a policy of RAM: there the keys are the vendor's.
func decodeJSON(node *yaml.Node, into json.Unmarshaler, path string) error {
	var content any
	err := node.Decode(&content)
	var text []byte
	if err == nil {
		text, err = json.Marshal(content)
	}
	if err == nil {
		err = into.UnmarshalJSON(text)
	}
	if err != nil {
		return at(node, path, strings.Join(strings.Fields(err.Error()), " "))
	}
	return nil
}

func decodeSlice(node *yaml.Node, v reflect.Value, path string) error {
	if node.Kind != yaml.SequenceNode {
		return at(node, path, "give a list")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for n, element := range node.Content {
		if err := decode(element, v.Index(n), fmt.Sprintf("%s[%d]", path, n)); err != nil {
			return err
		}
	}
	return nil
}

func decodeStruct(node *yaml.Node, v reflect.Value, path string) error {
	if node.Kind != yaml.MappingNode {
		return at(node, path, "give keys and values: "+strings.Join(keysOf(v.Type()), ", "))
	}
	seen := map[string]bool{}
	for pair := range slices.Chunk(node.Content, 2) {
		key, field := pair[0], pair[0].Value
		below := strings.TrimPrefix(path+"."+field, ".")
		index := fieldOf(v.Type(), field)
		switch {
		case index == nil:
			return at(key, below, "this key is unknown; known are "+strings.Join(keysOf(v.Type()), ", "))
		case seen[field]:
			return at(key, below, "this key is there twice")
		}
		seen[field] = true
		if err := decode(pair[1], v.FieldByIndex(index), below); err != nil {
			return err
		}
	}
	return nil
}

func setScalar(node *yaml.Node, v reflect.Value) bool {
	switch v.Interface().(type) {
	case time.Duration:
		duration, err := time.ParseDuration(node.Value)
		v.SetInt(int64(duration))
		return err == nil && duration >= 0
	case time.Time:
		moment, err := time.Parse(time.RFC3339, node.Value)
		v.Set(reflect.ValueOf(moment.UTC()))
		return err == nil
	case []byte:
		data, err := []byte(node.Value), error(nil)
		if node.ShortTag() == "!!binary" {
			data, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(node.Value), ""))
		}
		v.SetBytes(data)
		return err == nil && (node.ShortTag() == "!!str" || node.ShortTag() == "!!binary")
	}
	tag := node.ShortTag()
	switch v.Kind() {
	case reflect.String:
		v.SetString(node.Value)
		return tag == "!!str"
	case reflect.Bool:
		v.SetBool(node.Value == "true")
		return tag == "!!bool"
	case reflect.Int, reflect.Int64:
		number, err := strconv.ParseInt(node.Value, 10, 64)
		v.SetInt(number)
		return tag == "!!int" && err == nil
	case reflect.Uint64:
		number, err := strconv.ParseUint(node.Value, 10, 64)
		v.SetUint(number)
		return tag == "!!int" && err == nil
	case reflect.Float64:
		number, err := strconv.ParseFloat(node.Value, 64)
		v.SetFloat(number)
		return (tag == "!!int" || tag == "!!float") && err == nil
	}
	panic(fmt.Sprintf("give setScalar a case for %s", v.Type()))
}

// complaint says what a scalar that does not fit is, and what to give instead.
func complaint(v reflect.Value) string {
	switch v.Interface().(type) {
	case time.Duration:
		return "no duration; write it as 90s, 5m or 1h30m"
	case time.Time:
		return "no time; write it as 2026-11-23T12:00:00Z"
	case []byte:
		return "no text; put it in quotes, or give Base64 with the tag !!binary"
	}
	switch v.Kind() {
	case reflect.String:
		return "no text; put it in quotes"
	case reflect.Bool:
		return "neither true nor false"
	case reflect.Float64:
		return "no number"
	}
	return "no whole number, or one that is out of range"
}

func at(node *yaml.Node, path, text string) error {
	return fmt.Errorf("line %d: %s: %s", node.Line, cmp.Or(path, "the scenario"), text)
}

// fieldOf is the index of the field that a key names; nil if there is none.
func fieldOf(of reflect.Type, key string) []int {
	for _, field := range reflect.VisibleFields(of) {
		if settable(field) && keyOf(field.Name) == key {
			return field.Index
		}
	}
	return nil
}

// keysOf are the keys of a struct, sorted.
func keysOf(of reflect.Type) []string {
	var keys []string
	for _, field := range reflect.VisibleFields(of) {
		if settable(field) {
			keys = append(keys, keyOf(field.Name))
		}
	}
	slices.Sort(keys)
	return keys
}

func settable(field reflect.StructField) bool {
	return field.IsExported() && !field.Anonymous && field.Type.Kind() != reflect.Func
}

// keyOf makes regionID of RegionID, and osType of OSType.
func keyOf(field string) string {
	capitals := strings.IndexFunc(field, unicode.IsLower)
	switch {
	case capitals < 0:
		return strings.ToLower(field)
	case capitals > 1:
		// The last capital begins the next word.
		capitals--
	}
	return strings.ToLower(field[:capitals]) + field[capitals:]
}
