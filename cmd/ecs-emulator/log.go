package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// lineHandler prints a record as a line for people:
//
//	12:34:56 DescribeInvocationResults account=1234 region=cn-hangzhou InvokeId=t-1 code=OK ms=3
type lineHandler struct {
	mu  *sync.Mutex
	out io.Writer
}

func newLineHandler(out io.Writer) slog.Handler { return lineHandler{mu: &sync.Mutex{}, out: out} }

func (h lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h lineHandler) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	line.WriteString(record.Time.Format(time.TimeOnly) + " " + oneLine(record.Message))
	record.Attrs(func(a slog.Attr) bool {
		if text := a.Value.String(); text != "" {
			line.WriteString(" " + a.Key + "=" + oneLine(text))
		}
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, line.String()+"\n")
	return err
}

// oneLine keeps what a caller sends from forging lines or steering a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// The emulator logs with plain attributes only; groups and inherited attributes have no use in one line.
func (h lineHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h lineHandler) WithGroup(string) slog.Handler      { return h }
