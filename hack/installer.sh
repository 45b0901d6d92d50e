#!/usr/bin/env bash
# Prints everything that `make deploy` applies, with the operator's image set: installer.sh KUBECTL IMAGE.
# kubectl's own kustomize builds it, offline.
set -euo pipefail
kubectl=$1 image=$2
cd "$(dirname "$0")/.."
[[ ${image##*/} == *:* && $image != *@* ]] || { echo "installer: IMG must be NAME:TAG, got $image" >&2; exit 2; }
overlay=$(mktemp -d -p config .installer.XXXXXX)
trap 'rm -rf "$overlay"' EXIT
cat >"$overlay/kustomization.yaml" <<YAML
resources: [../default]
images:
- name: cloud-assistant-operator
  newName: ${image%:*}
  newTag: "${image##*:}"
YAML
"$kubectl" kustomize "$overlay"
