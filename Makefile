# The commands of the project, and the order in which they need each other; what one does is in
# scripts/.

# The Node that package.json pins comes from npm packages and goes ahead of the machine's own.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH):/usr/sbin:/sbin

# What make starts ends with make, also after kill -9 (where setpriv exists, which is on Linux).
run := exec $(shell command -v setpriv >/dev/null 2>&1 && echo setpriv --pdeathsig KILL)
sandbox := node test/cluster/sandbox.ts $(if $(KEEP),--forward) --

.DEFAULT_GOAL := help
.PHONY: help demo plot bench soak test test-unit test-cluster lint format generate manifests verify \
	build image push package tools clean

help: ## Show this list
	@awk -F ': ## ' '/^[a-z-]+: ## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  demo and test install what they lack, and say first what and where."

demo: ## Show a bad canary being rolled back on a cluster of its own (V2=crash, KEEP=1 …)
	@scripts/prepare cluster
	@node scripts/build.ts
	@$(run) $(sandbox) node scripts/demo.ts

plot: ## Draw docs/rollback.svg from the newest run of the demo
	@scripts/prepare npm
	@$(run) node scripts/plot.ts

bench: ## Measure what docs/benchmarks.md says, and write it (PART=a for one part)
	@scripts/prepare cluster
	@node scripts/build.ts
	@$(run) $(sandbox) node bench/main.ts

soak: ## Run two replicas and a rollout every ten seconds for half an hour (MINUTES=10)
	@scripts/prepare cluster
	@node scripts/build.ts
	@$(run) $(sandbox) node bench/soak.ts

test: ## Lint, check the generated files, and run all tests
	@scripts/prepare test
	@$(run) node scripts/test.ts all

test-unit: ## Run the tests that need no cluster, in seconds (FILES='…' for some of them)
	@scripts/prepare npm
	@$(run) node scripts/test.ts unit $(FILES)

test-cluster: ## Build the operator and test it on real clusters (FILES='…' for some of them)
	@scripts/prepare cluster
	@$(run) node scripts/test.ts cluster $(FILES)

lint: ## Check rules, import directions, format and types
	@scripts/prepare npm
	@$(run) node scripts/lint.ts

format: ## Rewrite all files in the project's format
	@scripts/prepare npm
	@$(run) prettier --write --log-level warn .

generate: ## Write the CRD, the reference and the dashboard from their sources
	@scripts/prepare npm
	@$(run) node scripts/generate.ts

manifests: ## Write deploy/ from the chart
	@scripts/prepare tools
	@$(run) node scripts/manifests.ts

verify: ## Fail when a generated file is not current
	@scripts/prepare npm
	@$(run) node scripts/generate.ts --check

build: ## Bundle the operator into dist/operator.mjs
	@scripts/prepare npm
	@$(run) node scripts/build.ts

image: ## Make the image in dist/image, without a container engine (PLATFORM=linux/amd64 for one)
	@scripts/prepare npm
	@$(run) node scripts/image.ts $(if $(PLATFORM),--platform $(PLATFORM))

push: ## Push dist/image with crane (REGISTRY=host/path)
	@$(run) scripts/publish image "$(REGISTRY)"

package: ## Pack the Helm chart into dist/ with helm (REGISTRY=host/path pushes it)
	@$(run) scripts/publish chart "$(REGISTRY)"

tools: ## Build the pinned binaries that clusters are made of, into the cache
	@scripts/prepare tools

clean: ## Remove what was made in this folder; the cache of tools stays
	rm -rf dist reports node_modules
