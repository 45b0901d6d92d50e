package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

var label = regexp.MustCompile(`(\w+)="([^"]*)"`)

// statusRequests is how many writes of a status the API server was asked for, by its own count: those that changed
// nothing, and those that it refused, included.
func statusRequests(ctx context.Context, admin *rest.Config) (int, error) {
	clients, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return 0, err
	}
	text, err := clients.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	return countStatusRequests(string(text))
}

func countStatusRequests(metrics string) (int, error) {
	total := 0
	for line := range strings.Lines(metrics) {
		name, rest, found := strings.Cut(line, "{")
		if !found || name != "apiserver_request_total" {
			continue
		}
		labels := map[string]string{}
		for _, match := range label.FindAllStringSubmatch(rest, -1) {
			labels[match[1]] = match[2]
		}
		if labels["resource"] != "invocationresults" || labels["subresource"] != "status" || labels["verb"] == "GET" {
			continue
		}
		_, value, _ := strings.Cut(rest, "} ")
		count, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0, fmt.Errorf("the API server's metrics have the line %q", line)
		}
		total += int(count)
	}
	return total, nil
}
