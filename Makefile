# nfsim: `make` prints this help. Binaries land in bin/, heavy products in the user's cache directory.
GO      ?= go
VERSION := $(shell git describe --always --dirty 2>/dev/null)
AGENTS  := pkg/agent/bin/nfsim-agent-linux-amd64 pkg/agent/bin/nfsim-agent-linux-arm64
AGENTSRC := $(shell find cmd/nfsim-agent pkg/agent/proto pkg/agent/executor pkg/agent/mono pkg/payload -name "*.go" -not -name "*_test.go") go.mod
# What a first matrix shows in a few minutes; `nfsim run` is everything.
RUNARGS ?= --scenario close-to-open,attr-cache,append-race,kubelet-restart,force-delete-while-down --profile default,v3,noac,actimeo=1,soft

.PHONY: help
help: ## this text
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: deps build ## boot the built-in lab and print a first matrix (RUNARGS='--scenario nfs/*' to choose)
	bin/nfsim run $(RUNARGS)

.PHONY: test
test: deps build unit vm-test ## all tests: unit tests, then real virtual machines

.PHONY: unit
unit: agents ## tests with no virtual machine and no network, race detector on
	$(GO) vet ./...
	$(GO) test -race -short ./...

.PHONY: vm-test
vm-test: deps build ## tests on real virtual machines (boots the built-in lab)
	$(GO) test -tags vm -timeout 70m -count 1 -p 1 -v -run '^(TestVM|TestLab|TestLabGaneshaImage)$$' ./pkg/image ./cmd/nfsim ./pkg/lab/qemu

.PHONY: build
build: agents ## bin/nfsim
	$(GO) build -trimpath -ldflags '-X main.stamped=$(VERSION)' -o bin/nfsim ./cmd/nfsim

.PHONY: agents
agents: $(AGENTS) ## the node agent, amd64 and arm64, embedded into nfsim

pkg/agent/bin/nfsim-agent-linux-%: $(AGENTSRC)
	CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) build -trimpath -buildvcs=false -ldflags '-s -w' -o $@ ./cmd/nfsim-agent

.PHONY: deps
deps: ## check for (as root on Debian: install) qemu, mmdebstrap and e2fsprogs
	@sh tools/deps.sh

.PHONY: test-inventory
test-inventory: deps build ## a built-in lab's machines used as somebody's own (about 10 minutes)
	$(GO) test -tags vm -timeout 40m -count 1 -v -run '^TestVMInventory$$' ./cmd/nfsim

.PHONY: box
box: deps build ## the Vagrant box for libvirt (DEBIAN_RELEASE=bookworm for Debian 12)
	bin/nfsim lab box --debian $(or $(DEBIAN_RELEASE),trixie) --out vagrant/nfsim-$(or $(DEBIAN_RELEASE),trixie).box

.PHONY: test-vagrant
test-vagrant: deps box ## `vagrant up`, `nfsim run`, `vagrant destroy` in a network namespace (root, Debian; installs vagrant and libvirt)
	tools/test-vagrant.sh

.PHONY: bench
bench: deps build ## speed and size figures, printed, never asserted (BENCHARGS=-upstream: three scenarios alone)
	$(GO) run ./internal/bench $(BENCHARGS)
	$(GO) test -run xxx -bench . -benchtime 1x ./pkg/consistency

.PHONY: lint
lint: agents ## golangci-lint, pinned in tools/go.mod
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

.PHONY: vuln
vuln: ## govulncheck, pinned in tools/go.mod (needs the Go vulnerability database)
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

.PHONY: shellcheck
shellcheck: ## shell scripts
	shellcheck tools/*.sh .ci/run $$(git ls-files 'vagrant/**' | xargs grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh' 2>/dev/null)

.PHONY: clean
clean: ## what make built here; caches stay (see `nfsim lab gc`)
	rm -f bin/nfsim $(AGENTS)
