# Everything runs from source: the Go toolchain and make are all that a machine needs, and for the tests a C
# compiler, which the race detector is linked with.
SHELL := /usr/bin/env bash -o pipefail
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMG ?= cloud-assistant-operator:$(VERSION)
PLATFORMS ?= linux/amd64,linux/arm64
KUBECTL ?= kubectl

BIN := $(CURDIR)/bin
CONTROLPLANE := $(BIN)/controlplane
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/cloud-assistant-operator/cloud-assistant-operator/internal/app.Version=$(VERSION)"

# KUBEBUILDER_ASSETS, if set, holds etcd, kube-apiserver and kubectl, and nothing of them is built.
ifdef KUBEBUILDER_ASSETS
ASSETS := $(KUBEBUILDER_ASSETS)
ASSETS_READY :=
else
ASSETS := $(CONTROLPLANE)
ASSETS_READY := $(addprefix $(CONTROLPLANE)/,etcd kube-apiserver kubectl)
endif

# The suites about deletion run the real garbage collector, which downloaded assets lack.
CONTROLLERS := $(if $(wildcard $(ASSETS)/kube-controller-manager),,$(CONTROLPLANE)/kube-controller-manager)

##@ Try it
.PHONY: demo
demo: build $(ASSETS_READY) ## Everything on this machine: control plane, emulator, operator, a real command (KEEP=1 leaves it running)
	@$(GO_BUILD) -o $(BIN)/demo ./hack/demo
	@KUBEBUILDER_ASSETS=$(ASSETS) exec $(BIN)/demo $(if $(KEEP),--keep)

.PHONY: run
run: build ## Run the operator against the current kubeconfig
	$(BIN)/manager --leader-elect=false $(ARGS)

##@ Develop
.PHONY: build
build: ## Build bin/manager and bin/ecs-emulator
	@mkdir -p $(BIN)
	@echo "build: bin/manager and bin/ecs-emulator (an empty build cache takes minutes)"
	@$(GO_BUILD) -o $(BIN)/manager ./cmd/manager
	@$(GO_BUILD) -o $(BIN)/ecs-emulator ./cmd/ecs-emulator

.PHONY: test
test: build $(ASSETS_READY) $(CONTROLLERS) ## Unit tests and the suites on a real API server, with the race detector
	KUBEBUILDER_ASSETS=$(ASSETS) go test -race -timeout 20m -parallel 8 $(TEST_ARGS) ./...

.PHONY: conformance
conformance: hack/conformance/node/node_modules ## The vendor's Go and Node SDKs against the emulator, their answers compared (needs Node.js)
	@mkdir -p $(BIN)
	@$(GO_BUILD) -o $(BIN)/ecs-emulator ./cmd/ecs-emulator
	@$(GO_BUILD) -o $(BIN)/conformance ./hack/conformance
	@$(BIN)/conformance --emulator $(BIN)/ecs-emulator

hack/conformance/node/node_modules: hack/conformance/node/package.json hack/conformance/node/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "conformance: node or npm is missing; install Node.js 18 or newer, then run make conformance again" >&2; exit 1; }
	@cd hack/conformance/node && npm ci --loglevel=error && touch node_modules

.PHONY: cover
cover: build $(ASSETS_READY) $(CONTROLLERS) ## Test coverage by package
	KUBEBUILDER_ASSETS=$(ASSETS) go test -timeout 20m -parallel 8 -coverprofile=cover.out ./api/... ./internal/... | awk '/^(ok|FAIL|---|panic)/ { printf "%-100s %s\n", $$2, $$1 == "ok" ? $$5 : $$0 }'
	@go tool cover -func=cover.out | tail -n 1

.PHONY: bench
bench: $(ASSETS_READY) ## The figures of the README: the operator beside a naive one on a real API server (hours; ARGS=--quick for a small case, see hack/bench)
	@mkdir -p $(BIN)
	@$(GO_BUILD) -o $(BIN)/bench ./hack/bench
	@KUBEBUILDER_ASSETS=$(ASSETS) exec $(BIN)/bench $(ARGS)

.PHONY: bench-packages
bench-packages: ## Benchmarks of the engine, the projection and the emulator
	go test -run '^$$' -bench . -benchmem ./internal/poller ./internal/projection ./internal/emulator

.PHONY: sizing
sizing: build $(ASSETS_READY) ## What results cost an API server, etcd and the operator, measured, as docs/sizing.md has it (Linux, half an hour; ARGS)
	@$(GO_BUILD) -o $(BIN)/sizing ./hack/sizing
	@KUBEBUILDER_ASSETS=$(ASSETS) exec $(BIN)/sizing $(ARGS)

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (10s); what fails is kept as a test
	@hack/fuzz.sh

.PHONY: soak
soak: build $(ASSETS_READY) ## Half an hour of runs and faults: memory and goroutines must not grow (ARGS=--duration=2h)
	@$(GO_BUILD) -o $(BIN)/soak ./hack/soak
	@KUBEBUILDER_ASSETS=$(ASSETS) exec $(BIN)/soak $(ARGS)

.PHONY: lint
lint: $(BIN)/golangci-lint ## golangci-lint with kube-api-linter, and that generated files are up to date
	$(BIN)/golangci-lint run
	@hack/verify-generated.sh

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code
	$(BIN)/golangci-lint fmt

.PHONY: generate
generate: ## Generate deep copies of the API types
	go tool controller-gen object paths=./api/...

.PHONY: manifests
manifests: ## Generate the CRD, the operator's ClusterRole and docs/api.md
	go tool controller-gen crd paths=./api/... output:crd:dir=config/crd/bases
	go tool controller-gen rbac:roleName=manager,fileName=role.yaml paths=./internal/... output:rbac:dir=config/rbac
	go run ./hack/apidoc config/crd/bases/ecs.k8s.alibabacloud_invocationresults.yaml api/v1alpha1 > docs/api.md.tmp && mv docs/api.md.tmp docs/api.md

.PHONY: controlplane
controlplane: $(addprefix $(CONTROLPLANE)/,etcd kube-apiserver kube-controller-manager kubectl) ## Build the test control plane from source into bin/controlplane

$(CONTROLPLANE)/%: hack/controlplane/go.mod hack/controlplane/go.sum hack/controlplane/build.sh
	@hack/controlplane/build.sh $(CONTROLPLANE) $*

$(BIN)/golangci-lint: hack/tools/go.mod hack/tools/go.sum hack/tools/lint/main.go
	@echo "lint: building golangci-lint with kube-api-linter (an empty build cache takes minutes)"
	@cd hack/tools && CGO_ENABLED=0 GOWORK=off go build -trimpath -o $@ ./lint

##@ Install
.PHONY: install
install: ## Install the CRD into the current cluster
	$(KUBECTL) apply --server-side -k config/crd

.PHONY: uninstall
uninstall: ## Remove the CRD, and with it every InvocationResult
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: dist/install.yaml ## Install the CRD and the operator (IMG=...) into the current cluster
	$(KUBECTL) apply --server-side -f dist/install.yaml

.PHONY: undeploy
undeploy: ## Remove the operator, its CRD and every InvocationResult
	$(KUBECTL) delete --ignore-not-found -k config/default

.PHONY: build-installer
build-installer: dist/install.yaml ## Write dist/install.yaml: CRD, RBAC and operator (IMG=...) in one file

.PHONY: dist/install.yaml
dist/install.yaml: $(filter %/kubectl,$(ASSETS_READY))
	@mkdir -p dist
	@hack/installer.sh $(ASSETS)/kubectl $(IMG) > $@.tmp && mv $@.tmp $@ && echo "wrote $@"

.PHONY: docker-build
docker-build: ## Build the image IMG
	docker build --build-arg VERSION=$(VERSION) -t $(IMG) .

.PHONY: docker-push
docker-push: ## Push the image IMG
	docker push $(IMG)

.PHONY: docker-buildx
docker-buildx: ## Build and push IMG for PLATFORMS
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) -t $(IMG) --push .

##@ Help
.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist cover.out

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*##" } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-zA-Z_-]+:.*##/ { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
