#!/usr/bin/env bash
# Builds one binary of the test control plane from the modules pinned in go.mod beside this file.
#   build.sh DEST etcd|kube-apiserver|kube-controller-manager|kubectl
# Shows progress: packages compiled so far, of those the binary is made of. A build cache that holds
# them already makes this a few seconds; an empty one takes minutes (measured figures: README).
set -euo pipefail

dest=$1 name=$2
cd "$(dirname "$0")"

case $name in
etcd) package=go.etcd.io/etcd/server/v3 ;;
kube-apiserver | kube-controller-manager | kubectl) package=k8s.io/kubernetes/cmd/$name ;;
*) echo "build.sh: unknown binary $name: want etcd, kube-apiserver, kube-controller-manager or kubectl" >&2 && exit 2 ;;
esac

# Unstamped, the server calls itself v0.0.0-master and kubectl warns about the skew.
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${version#v}"
stamp=
for variables in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	stamp+=" -X $variables.gitVersion=$version -X $variables.gitMajor=$major -X $variables.gitMinor=$minor"
	stamp+=" -X $variables.gitTreeState=clean -X $variables.gitCommit=$version"
done

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
started=$SECONDS
echo "controlplane: building $name (an empty build cache takes minutes)"
total=$(go list -deps "$package" | wc -l)
mkdir -p "$dest"
status=$dest/.$name.building
trap 'rm -f "$status"' EXIT
# -v names each package as it is compiled; anything else on stderr is an error worth showing.
go build -v -trimpath -ldflags "-s -w$stamp" -o "$status" "$package" 2>&1 |
	awk -v name="$name" -v total="$total" '
		/^[a-zA-Z0-9_.\/-]+$/ { if (++n % 100 == 0) { printf "controlplane: %s: %d of at most %d packages compiled\n", name, n, total; fflush() }; next }
		/^go: downloading/ { if (++d % 50 == 0) { printf "controlplane: %s: %d modules downloaded\n", name, d; fflush() }; next }
		{ print; fflush() }'
mv "$status" "$dest/$name"
echo "controlplane: $name done in $((SECONDS - started)) s"
