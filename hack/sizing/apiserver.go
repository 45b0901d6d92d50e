package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

const (
	asJSON  = "application/json"
	asTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
	// pageSize is kubectl's.
	pageSize = "500"
)

// apiServer speaks to the API server below the level of clients, to see the bytes.
type apiServer struct {
	client *http.Client
	host   string
}

func newAPIServer(config *rest.Config) (apiServer, error) {
	client, err := rest.HTTPClientFor(config)
	return apiServer{client: client, host: strings.TrimSuffix(config.Host, "/")}, err
}

// transfer is what it takes to get something from the API server.
type transfer struct {
	took time.Duration
	// bytes are those of the JSON, wire those that travelled, compressed where the server does that.
	bytes, wire int64
	requests    int
}

// get reads a path into a writer.
func (a apiServer) get(ctx context.Context, path, accept string, into io.Writer) (t transfer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.host+path, nil)
	if err != nil {
		return t, err
	}
	// What every Go client says, said here so that the bytes can be counted before they are unpacked.
	request.Header.Set("Accept-Encoding", "gzip")
	request.Header.Set("Accept", accept)
	started := time.Now()
	response, err := a.client.Do(request)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	wire := &counter{Reader: response.Body}
	var body io.Reader = wire
	if response.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(wire); err != nil {
			return t, err
		}
	}
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(body, 1<<10))
		return t, errors.Join(fmt.Errorf("GET %s: %s: %s", path, response.Status, text), err)
	}
	n, err := io.Copy(into, body)
	return transfer{took: time.Since(started), bytes: n, wire: wire.n, requests: 1}, err
}

type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// list lists in pages as kubectl does, and tells of each page's JSON if somebody wants to know.
func (a apiServer) list(ctx context.Context, path, accept string, see func(page []byte) error) (all transfer, err error) {
	query := url.Values{"limit": {pageSize}}
	for {
		var page bytesBuffer
		t, err := a.get(ctx, path+"?"+query.Encode(), accept, &page)
		if err != nil {
			return all, err
		}
		all.took, all.bytes, all.wire, all.requests = all.took+t.took, all.bytes+t.bytes, all.wire+t.wire, all.requests+t.requests
		if see != nil {
			if err := see(page); err != nil {
				return all, err
			}
		}
		var list struct {
			Metadata struct{ Continue string }
		}
		if err := json.Unmarshal(page, &list); err != nil {
			return all, err
		}
		if list.Metadata.Continue == "" {
			return all, nil
		}
		query.Set("continue", list.Metadata.Continue)
	}
}

// listAtOnce lists everything in one answer from the server's cache, as informers do that do not stream.
func (a apiServer) listAtOnce(ctx context.Context, path string) (transfer, error) {
	return a.get(ctx, path+"?resourceVersion=0", asJSON, io.Discard)
}

// bytesBuffer is a bytes.Buffer that is its bytes.
type bytesBuffer []byte

func (b *bytesBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// liveHeap is what the API server's heap holds once its garbage is collected.
func (a apiServer) liveHeap(ctx context.Context) (int64, error) {
	if _, err := a.get(ctx, "/debug/pprof/heap?gc=1", "*/*", io.Discard); err != nil {
		return 0, err
	}
	var text bytesBuffer
	if _, err := a.get(ctx, "/metrics", "text/plain", &text); err != nil {
		return 0, err
	}
	value, err := metric(text, "go_memstats_heap_alloc_bytes")
	return int64(value), err
}
