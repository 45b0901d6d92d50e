package emulator

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of tags, as the page of DescribeInvocationResults gives them.
const (
	maxTags        = 20
	maxTagKeyLen   = 64
	maxTagValueLen = 128
)

// integer reads an optional whole number between low and high; refusal is the code when it is none.
func (c *Call) integer(name string, fallback, low, high int, refusal string) (int, error) {
	text := c.Parameter(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, refuse(refusal)
	}
	return n, nil
}

// boolean reads an optional flag. Whatever is not "true" is false, in any case of letters.
func (c *Call) boolean(name string) bool { return strings.EqualFold(c.Parameter(name), "true") }

// list reads name.1, name.2 and so on, in that order, up to the first that is missing.
func (c *Call) list(name string) []string {
	var values []string
	for n := 1; c.parameters.Has(name + "." + strconv.Itoa(n)); n++ {
		values = append(values, c.Parameter(name+"."+strconv.Itoa(n)))
	}
	return values
}

// tags reads Tag.1.Key, Tag.1.Value and so on, and checks them as the page demands.
func (c *Call) tags() ([]Tag, error) { return c.tagList("Tag", maxTags) }

// tagList reads tags with a prefix, which their error codes have too.
func (c *Call) tagList(prefix string, limit int) ([]Tag, error) {
	highest := 0
	for name := range c.parameters {
		rest, isTag := strings.CutPrefix(name, prefix+".")
		number, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(number); isTag && err == nil {
			highest = max(highest, n)
		}
	}
	if highest > limit {
		return nil, refuse("NumberExceed." + prefix + "s")
	}
	var tags []Tag
	seen := map[string]bool{}
	for n := 1; n <= highest; n++ {
		name := prefix + "." + strconv.Itoa(n)
		hasKey, hasValue := c.parameters.Has(name+".Key"), c.parameters.Has(name+".Value")
		tag := Tag{Key: c.Parameter(name + ".Key"), Value: c.Parameter(name + ".Value")}
		switch {
		case !hasKey && !hasValue:
			continue
		case !hasKey:
			return nil, refuse("MissingParameter." + prefix + "Key")
		case !validTagKey(tag.Key):
			return nil, refuse("Invalid" + prefix + "Key.Malformed")
		case utf8.RuneCountInString(tag.Value) > maxTagValueLen || holdsURL(tag.Value):
			return nil, refuse("Invalid" + prefix + "Value.Malformed")
		case seen[tag.Key]:
			return nil, refuse("Duplicate." + prefix + "Key")
		}
		seen[tag.Key] = true
		tags = append(tags, tag)
	}
	return tags, nil
}

func validTagKey(key string) bool {
	return key != "" && utf8.RuneCountInString(key) <= maxTagKeyLen && !holdsURL(key) &&
		!strings.HasPrefix(key, "aliyun") && !strings.HasPrefix(key, "acs:")
}

func holdsURL(text string) bool {
	return strings.Contains(text, "http://") || strings.Contains(text, "https://")
}

// outputEncoder is how ContentEncoding wants texts in answers; Base64 unless it is PlainText.
func (c *Call) outputEncoder() func([]byte) string {
	if c.Parameter("ContentEncoding") == "PlainText" {
		return func(text []byte) string { return string(text) }
	}
	return base64.StdEncoding.EncodeToString
}
