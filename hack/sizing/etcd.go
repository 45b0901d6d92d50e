package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// etcd speaks to etcd by its JSON gateway.
type etcd struct{ url string }

// defragmented is the size of the database with nothing in it but what is current.
func (e etcd) defragmented(ctx context.Context) (int64, error) {
	var at struct {
		Header struct{ Revision string }
	}
	// Any range tells the revision; this one is of a key that nobody has.
	if err := e.call(ctx, "/v3/kv/range", map[string]any{"key": []byte{0}}, &at); err != nil {
		return 0, err
	}
	if err := e.call(ctx, "/v3/kv/compaction", map[string]any{"revision": at.Header.Revision, "physical": true}, nil); err != nil {
		return 0, err
	}
	if err := e.call(ctx, "/v3/maintenance/defragment", struct{}{}, nil); err != nil {
		return 0, err
	}
	var status struct {
		DBSize int64 `json:"dbSize,string"`
	}
	err := e.call(ctx, "/v3/maintenance/status", struct{}{}, &status)
	return status.DBSize, err
}

func (e etcd) call(ctx context.Context, path string, ask, answer any) (err error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("etcd: %s: %s: %s", path, response.Status, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}
