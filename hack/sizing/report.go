package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// result is what all rounds of one case measured.
type result struct {
	name    string
	objects int
	rounds  []measurement
}

// report is everything measured, as Markdown: medians of all rounds, with the least and the most where they differ.
func report(machine string, results []result) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Machine: %s. Medians, and in parentheses the least and the most.\n\n", machine)
	for _, s := range sizes {
		fmt.Fprintf(&text, "- `%s`: %s\n", s.name, s.about)
	}
	for _, t := range []struct {
		title   string
		columns []string
		row     func(result) []string
	}{
		{"What is stored", []string{"one object", "its status", "its managedFields", "etcd database", "for each object", "etcd RSS, most"}, storedRow},
		{"The API server's memory", []string{"RSS before", "RSS with the objects", "heap for each object", "RSS at most, listed", "RSS at most, an operator starting"}, serverRow},
		{"Lists and writes", []string{"`kubectl get`", "`kubectl get -o json`", "unpaged", "bytes", "compressed", "table", "status patch"}, listRow},
		{"The operator", []string{"Ready", "been through all", "RSS with 20 objects", "RSS at rest", "RSS at most", "for each object, at rest", "for each object, at most"}, operatorRow},
	} {
		fmt.Fprintf(&text, "\n%s:\n\n| | objects | %s |\n|---|---|%s\n", t.title, strings.Join(t.columns, " | "), strings.Repeat("---|", len(t.columns)))
		for _, r := range results {
			fmt.Fprintf(&text, "| %s | %s | %s |\n", r.name, thousands(r.objects), strings.Join(t.row(r), " | "))
		}
	}
	return text.String()
}

func storedRow(r result) []string {
	return []string{
		spread(r, func(m measurement) []int64 { return []int64{m.object} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{m.status} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{m.managedFields} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{m.database - m.databaseBefore} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{(m.database - m.databaseBefore) / int64(r.objects)} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{m.etcd.peak} }, binary),
	}
}

func serverRow(r result) []string {
	return []string{
		spread(r, func(m measurement) []int64 { return []int64{m.apiBefore} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{m.api} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{(m.apiHeap - m.apiHeapBefore) / int64(r.objects)} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{m.peakListed} }, binary),
		spread(r, func(m measurement) []int64 { return []int64{m.peakWatched} }, binary),
	}
}

func listRow(r result) []string {
	took := func(t transfer) time.Duration { return t.took }
	return []string{
		spread(r, func(m measurement) []time.Duration { return each(m.table, took) }, seconds),
		spread(r, func(m measurement) []time.Duration { return each(m.pages, took) }, seconds),
		spread(r, func(m measurement) []time.Duration { return each(m.atOnce, took) }, seconds),
		spread(r, func(m measurement) []int64 { return each(m.atOnce, func(t transfer) int64 { return t.bytes }) }, binary),
		spread(r, func(m measurement) []int64 { return each(m.atOnce, func(t transfer) int64 { return t.wire }) }, binary),
		spread(r, func(m measurement) []int64 { return each(m.table, func(t transfer) int64 { return t.bytes }) }, binary),
		spread(r, func(m measurement) []time.Duration { return m.patches }, seconds),
	}
}

func operatorRow(r result) []string {
	perObject := func(read func(operatorCost) int64) string {
		return spread(r, func(m measurement) []int64 {
			return each(m.operator, func(c operatorCost) int64 { return (read(c) - read(m.operatorBefore)) / int64(r.objects) })
		}, binary)
	}
	rest := func(c operatorCost) int64 { return c.memory.rss }
	peak := func(c operatorCost) int64 { return c.memory.peak }
	return []string{
		spread(r, func(m measurement) []time.Duration {
			return each(m.operator, func(c operatorCost) time.Duration { return c.ready })
		}, seconds),
		spread(r, func(m measurement) []time.Duration {
			return each(m.operator, func(c operatorCost) time.Duration { return c.done })
		}, seconds),
		spread(r, func(m measurement) []int64 { return []int64{rest(m.operatorBefore)} }, binary),
		spread(r, func(m measurement) []int64 { return each(m.operator, rest) }, binary),
		spread(r, func(m measurement) []int64 { return each(m.operator, peak) }, binary),
		perObject(rest),
		perObject(peak),
	}
}

func each[T, V any](list []T, read func(T) V) []V {
	values := make([]V, len(list))
	for i, item := range list {
		values[i] = read(item)
	}
	return values
}

// spread is the median of everything that the rounds read, with the least and the most unless they look the same.
func spread[V cmp.Ordered](r result, read func(measurement) []V, format func(V) string) string {
	var all []V
	for _, m := range r.rounds {
		all = append(all, read(m)...)
	}
	if len(all) == 0 {
		return "not measured"
	}
	slices.Sort(all)
	least, median, most := format(all[0]), format(all[len(all)/2]), format(all[len(all)-1])
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s–%s)", median, least, most)
}

// binary is a number of bytes in units of 1024, with two or three digits that count.
func binary(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"KiB", "MiB", "GiB"} {
		if value < 1024 && value > -1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" || value >= 10 || value <= -10 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// thousands writes a number with its thousands apart.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
