#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (10s by default), one after the other. What fails is kept below the
# package's testdata/fuzz: `go test` repeats it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in $(grep -rl --include='*_test.go' '^func Fuzz' api cmd hack internal | xargs -n 1 dirname | sort -u); do
	for target in $(go test -list '^Fuzz' "./$package" | grep '^Fuzz'); do
		echo "fuzz: $target of $package for ${FUZZTIME:=10s}"
		# To make an input smaller that only reaches more code is not worth the time.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x "./$package"
	done
done
