#!/usr/bin/env bash
# Fails when the generated files differ from what `make generate manifests` writes. Works on copies, so
# that a check changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
go tool controller-gen crd paths=./api/... output:crd:dir="$scratch/crd"
go tool controller-gen rbac:roleName=manager,fileName=role.yaml paths=./internal/... output:rbac:dir="$scratch/rbac"
go tool controller-gen object paths=./api/... output:object:dir="$scratch/api"
go run ./hack/apidoc "$scratch/crd/ecs.k8s.alibabacloud_invocationresults.yaml" api/v1alpha1 >"$scratch/api.md"
status=0
diff -ru config/crd/bases "$scratch/crd" || status=1
diff -u config/rbac/role.yaml "$scratch/rbac/role.yaml" || status=1
diff -u docs/api.md "$scratch/api.md" || status=1
diff -u api/v1alpha1/zz_generated.deepcopy.go "$scratch/api/zz_generated.deepcopy.go" || status=1
[ $status = 0 ] || echo "lint: generated files are stale: run make generate manifests and commit the result" >&2
exit $status
