package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/api/v1alpha1"
)

// figure is the operator at one time.
type figure struct {
	at                 time.Time
	memory, goroutines float64
	results            int
}

// judge compares the medians of the last third of the figures with those of the second: by then everything is warm.
func judge(figures []figure, growth float64) error {
	third := len(figures) / 3
	if third < 3 {
		return fmt.Errorf("%d samples are too few to judge by", len(figures))
	}
	var problems []error
	for name, of := range map[string]func(figure) float64{
		"memory":     func(f figure) float64 { return f.memory },
		"goroutines": func(f figure) float64 { return f.goroutines },
	} {
		before, after := median(figures[third:2*third], of), median(figures[2*third:], of)
		fmt.Printf("%s: the median of the last third is %+.1f %% of that of the second\n", name, 100*(after/before-1))
		if after > before*(1+growth) {
			problems = append(problems, fmt.Errorf("%s grew from %.0f to %.0f", name, before, after))
		}
	}
	return errors.Join(problems...)
}

func median(figures []figure, of func(figure) float64) float64 {
	values := make([]float64, len(figures))
	for n, f := range figures {
		values[n] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// check says what is wrong with a result: that it ended otherwise than its run, or has not, long after it did.
func check(result *v1alpha1.InvocationResult, now time.Time) error {
	n, err := strconv.Atoi(strings.TrimPrefix(result.Name, "soak-"))
	if err != nil {
		return err
	}
	completed := meta.FindStatusCondition(result.Status.Conditions, v1alpha1.ConditionCompleted)
	switch {
	case completed != nil && completed.Status == "True":
		total := int32(1 + n%3)
		if completed.Reason != expected(n) || result.Status.Summary == nil || result.Status.Summary.Total != total {
			return fmt.Errorf("%s ended as %s with %+v, want %s on %d instances", result.Name, completed.Reason, result.Status.Summary, expected(n), total)
		}
	case now.Sub(result.CreationTimestamp.Time) > settles:
		return fmt.Errorf("%s has not ended %v after its begin: %+v", result.Name, settles, result.Status.Conditions)
	}
	return nil
}
