package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// call is one call that a client is to make. Its parameters have their names on the wire; lists and maps are those of
// JSON.
type call struct {
	// Product is Ecs or Sts.
	Product    string         `json:"product"`
	Action     string         `json:"action"`
	Parameters map[string]any `json:"parameters"`
	// Untyped is set for an action that the SDK has no method for.
	Untyped  bool     `json:"untyped"`
	Identity identity `json:"identity"`
	// ClockSkewSeconds is how far ahead the client's clock is.
	ClockSkewSeconds int `json:"clockSkewSeconds"`
}

type identity struct {
	AccessKeyID     string `json:"accessKeyId"`
	AccessKeySecret string `json:"accessKeySecret"`
	SecurityToken   string `json:"securityToken,omitempty"`
}

// reply is what a client made of the answer: one of its three parts.
type reply struct {
	// Decoded is the answer as the client gives it to its user.
	Decoded any      `json:"decoded"`
	Refusal *refusal `json:"refusal"`
	// Failure is what a client says that could not read the answer.
	Failure string `json:"failure"`

	// wire is the answer's JSON as it came, of clients that show it.
	wire any
}

// refusal is an error of the API as the client gives it to its user.
type refusal struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"requestID"`
	// RetryAfterMillis is 0 if the client has none.
	RetryAfterMillis int `json:"retryAfterMillis"`
}

// client calls an emulator through an SDK.
type client interface {
	call(ctx context.Context, c call) (reply, error)
	close() error
}

// nodeClient is the vendor's Node SDK in a process of its own.
type nodeClient struct {
	process *exec.Cmd
	stdin   io.WriteCloser
	replies *bufio.Reader
}

// startNode starts hack/conformance/node/driver.cjs in directory. signatureAlgorithm is the SDK's own setting.
func startNode(ctx context.Context, directory, endpoint, signatureAlgorithm string) (*nodeClient, error) {
	arguments := []string{"driver.cjs", endpoint}
	if signatureAlgorithm != "" {
		arguments = append(arguments, signatureAlgorithm)
	}
	n := &nodeClient{process: exec.CommandContext(ctx, "node", arguments...)}
	n.process.Dir, n.process.Stderr = directory, os.Stderr
	stdout, err := n.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	n.replies = bufio.NewReader(stdout)
	if n.stdin, err = n.process.StdinPipe(); err != nil {
		return nil, err
	}
	if err := n.process.Start(); err != nil {
		return nil, fmt.Errorf("cannot start node; install Node.js 18 or newer: %w", err)
	}
	return n, nil
}

func (n *nodeClient) call(_ context.Context, c call) (reply, error) {
	var r reply
	line, err := json.Marshal(c)
	if err != nil {
		return r, err
	}
	if _, err := n.stdin.Write(append(line, '\n')); err != nil {
		return r, fmt.Errorf("node takes no calls any more; see its message above: %w", err)
	}
	if line, err = n.replies.ReadBytes('\n'); err != nil {
		return r, fmt.Errorf("node ended before it replied; see its message above: %w", err)
	}
	return r, json.Unmarshal(line, &r)
}

// close lets the process end by itself.
func (n *nodeClient) close() error {
	_ = n.stdin.Close()
	return n.process.Wait()
}
