# `make` lists the targets. Each installs what it needs: only Python and this tree are required.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
# One shell for each recipe, which prints only errors and results.
.ONESHELL:
.SILENT:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# The third-party clients for the tests, installed by `make clients`.
CLIENTS := $(CURDIR)/.tools/bin
# The generators of HTTP clients and the linters of /openapi.json, installed by `make generators`.
GENERATORS := $(CURDIR)/.tools/generators
# The fuzzer of the readers, apart from the environment: it has wheels for some versions of Python only.
FUZZER := $(CURDIR)/.tools/fuzzer
# Whether an interpreter is new enough, and can make a virtual environment.
FITTING := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

##@ Use

.PHONY: run
run: $(VENV)/run.stamp ## Start all servers, with the sample catalogue in a new library
	exec $(BIN)/library up

.PHONY: clean
clean: ## Remove the environment, the clients and all caches (not .data: that is the library)
	rm -rf $(VENV) .tools build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Prove

.PHONY: test
# With bytecode kept, even if the environment disables it: a run starts some hundred servers.
test: $(VENV)/develop.stamp ## Run all tests except the slow ones; `make test ARGS="-k loan"` runs some
	PYTHONDONTWRITEBYTECODE= PATH="$(CLIENTS):$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest $(ARGS)

.PHONY: test-slow
test-slow: $(VENV)/develop.stamp ## Run the slow tests: long runs under load, kills, clocks, restores
	PYTHONDONTWRITEBYTECODE= PATH="$(CLIENTS):$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -m slow $(ARGS)

.PHONY: client-tests
client-tests: $(VENV)/develop.stamp ## Generate, build and run the clients of docs/clients.md (Go, Node and Java; downloads)
	PYTHONDONTWRITEBYTECODE= PATH="$(CLIENTS):$(CURDIR)/$(BIN):$$PATH" LIBRARY_REQUIRE_CLIENTS=1 \
		$(BIN)/pytest --numprocesses=0 -m "slow or not slow" tests/clients $(ARGS)

.PHONY: soak
soak: $(VENV)/develop.stamp ## Call all methods at random while servers are killed, for 20 minutes; draws build/soak/*.svg
	export LIBRARY_SOAK_SECONDS="$${LIBRARY_SOAK_SECONDS:-1200}"
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -m slow -n 0 tests/soak/test_soak.py $(ARGS)

.PHONY: desk-walk
desk-walk: $(VENV)/develop.stamp ## Compare the desk with a plain model, 100,000 random steps on each engine
	LIBRARY_DESK_STEPS="$${LIBRARY_DESK_STEPS:-100000}" PYTHONDONTWRITEBYTECODE= \
		$(BIN)/pytest --numprocesses=2 --timeout=0 tests/desk $(ARGS)

.PHONY: mutants
# With bytecode kept, as for `test`. `make mutants ARGS=--help` lists the options.
mutants: $(VENV)/develop.stamp ## Prove that known faults in changed files make a test fail; ARGS=--all for all files
	PYTHONDONTWRITEBYTECODE= PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.mutants $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/develop.stamp ## Send random input to every method, over gRPC and HTTP, for LIBRARY_FUZZ_SECONDS (600)
	LIBRARY_FUZZ_SECONDS="$${LIBRARY_FUZZ_SECONDS:-600}" PYTHONDONTWRITEBYTECODE= \
		$(BIN)/pytest -m slow --numprocesses=0 tests/fuzz $(ARGS)

.PHONY: fuzz-readers
fuzz-readers: $(VENV)/develop.stamp $(FUZZER)/fuzzer.stamp ## Fuzz the readers of files, following coverage, for LIBRARY_FUZZ_SECONDS (600)
	LIBRARY_FUZZ_SECONDS="$${LIBRARY_FUZZ_SECONDS:-600}" PYTHONDONTWRITEBYTECODE= \
		$(BIN)/pytest -m slow --numprocesses=0 -s tests/fuzz_readers $(ARGS)

.PHONY: fuzzer
fuzzer: $(FUZZER)/fuzzer.stamp ## Install atheris, the fuzzer of `make fuzz-readers` and of a slow test, into .tools/fuzzer

.PHONY: check
check: check-style check-types check-layers check-contract check-words ## Check style, types, layers, the contract, words

.PHONY: check-style
check-style: $(VENV)/develop.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: check-types
check-types: $(VENV)/develop.stamp
	$(BIN)/mypy

.PHONY: check-layers
check-layers: $(VENV)/develop.stamp
	$(BIN)/lint-imports

.PHONY: check-contract
check-contract: $(VENV)/develop.stamp
	$(BIN)/buf format --diff --exit-code
	$(BIN)/buf lint
	$(BIN)/buf breaking --against protos/released.binpb
	$(BIN)/python protos/generate.py --check
	echo "The contract: linted, formatted, compatible with the release, and generated/ is up to date."

# Files whose words are not checked: generated and copied files, and migrations, which are never edited.
WORDS_EXEMPT := generated library-client/stubs protos/buf protos/google library-client/library_client/status_pb2.pyi \
	admin_server/store/migrations frontend_server/store/migrations

.PHONY: check-words
# The prose of docs, of comments in the contract, and of comments, strings and names in Python, by the rules in
# .vale/Library. Without Go or without a C compiler only the spelling is checked; `.ci/run` requires Vale.
check-words: $(VENV)/develop.stamp $(if $(and $(shell command -v go),$(shell command -v cc)),$(CLIENTS)/vale)
	$(BIN)/typos --format=brief
	[ -x $(CLIENTS)/vale ] || { echo "Go or a C compiler is missing: Vale did not check the choice of words."; exit $${LIBRARY_REQUIRE_CLIENTS:-0}; }
	$(CLIENTS)/vale test .vale
	git ls-files -z -- '*.md' '*.proto' '*.py' $(WORDS_EXEMPT:%=':!%') | xargs -0 $(CLIENTS)/vale --output=line
	echo "Words: no finding."

.PHONY: bench
bench: $(VENV)/develop.stamp ## Run the benchmarks; docs/performance.md explains them
	$(BIN)/python -m benchmarks $(ARGS)

##@ Change

.PHONY: generate
generate: $(VENV)/develop.stamp ## Regenerate the stubs, here and in library-client/, from protos/
	$(BIN)/buf format --write
	$(BIN)/python protos/generate.py

.PHONY: format
format: $(VENV)/develop.stamp ## Format the code and apply ruff's fixes
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

SWAGGER_UI := 5.35.0
.PHONY: swagger-ui
swagger-ui: ## Copy Swagger UI from npm into rest_server/ (needs npm); SWAGGER_UI=5.35.0 names another release
	$(call need,npm,npm)
	folder="$$(mktemp -d)"
	npm pack --silent --pack-destination "$$folder" swagger-ui-dist@$(SWAGGER_UI) >/dev/null
	tar -xzf "$$folder"/*.tgz -C "$$folder"
	for file in rest_server/pages/swagger_ui/*; do cp "$$folder/package/$${file##*/}" "$$file"; done
	rm -r "$$folder"

.PHONY: pre-commit
pre-commit: $(VENV)/develop.stamp ## Let git run the checks of what changed before each commit
	$(BIN)/pre-commit install

# Existing pins stay; `make lock ARGS=--upgrade` takes the newest. The second lock has the same versions as the first one.
.PHONY: lock
lock: $(VENV)/develop.stamp ## Pin the dependencies with hashes, after a change of pyproject.toml
	compile() { $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" $(ARGS) "$$@"; }
	compile --extra build --output-file requirements.lock
	compile --extra build --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	# The clients' own, apart from the library's.
	$(BIN)/uv pip compile tests/generators/python/requirements.in --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(ARGS) \
		--output-file tests/generators/python/requirements.lock
	$(BIN)/uv pip compile tests/fuzz_readers/requirements.in --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(ARGS) \
		--output-file tests/fuzz_readers/requirements.lock

# `make check` compares the contract with this file. Run it with each release: from then on, this contract must not break.
.PHONY: release-contract
release-contract: $(VENV)/develop.stamp ## Store the present contract as the released one
	$(BIN)/buf build --path protos/library --exclude-source-info --output protos/released.binpb

.PHONY: clients
clients: $(VENV)/develop.stamp ## Put grpcurl, Evans, grpcui (needs Go) and buf into .tools/bin; the tests use those that they find
	command -v go >/dev/null || { echo "Go is missing: install Go 1.24 or newer, then run this again." >&2; exit 1; }
	export GOBIN="$(CLIENTS)"
	go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
	(cd .ci/evans && go install tool)
	(cd .ci/grpcui && go install tool)
	ln -sf $(CURDIR)/$(BIN)/buf $(CLIENTS)/buf

.PHONY: generators
generators: $(GENERATORS)/npm.stamp $(GENERATORS)/java.stamp $(GENERATORS)/python.stamp $(GENERATORS)/go.stamp
generators: $(GENERATORS)/provider.stamp
generators: ## Install the programs that tests/generators and tests/provider run (needs Node.js, Java, Maven, Go; -k: those it can)

.PHONY: help
help: ## Show this
	awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- setting up ---

$(CLIENTS)/vale: .ci/vale/go.mod .ci/vale/go.sum
	echo "Building Vale ..."
	(cd .ci/vale && GOBIN="$(CLIENTS)" go install tool)
	touch $@

# A stamp is younger than the installed packages, so a second call is quick, and a changed lock installs again.
$(VENV)/develop.stamp: requirements-dev.lock $(VENV)/run.stamp
	echo "Installing what tests and checks need ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

$(VENV)/run.stamp: requirements.lock pyproject.toml $(BIN)/python
	echo "Installing what the library needs ..."
	pip() { $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$@"; }
	pip --require-hashes -r requirements.lock
	pip --no-deps --no-build-isolation --editable .
	touch $@

# $(call need,program,Debian's package): fail if a program of the system is missing.
need = command -v $(1) >/dev/null || { echo "$(1) is missing. On Debian: apt-get install $(2)" >&2; exit 1; }
# Whose files say which versions are installed.
LISTS := tests/generators

# No script of a package runs: two of them would send usage data or download a binary.
$(GENERATORS)/npm.stamp: $(LISTS)/npm/package.json $(LISTS)/npm/package-lock.json
	$(call need,npm,nodejs npm)
	mkdir -p $(GENERATORS)/npm
	cp $^ $(GENERATORS)/npm
	cd $(GENERATORS)/npm && npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

$(GENERATORS)/provider.stamp: $(wildcard tests/provider/*.json tests/provider/*.mjs)
	$(call need,npm,nodejs npm)
	mkdir -p $(GENERATORS)/provider
	cp $^ $(GENERATORS)/provider
	cd $(GENERATORS)/provider && npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

$(GENERATORS)/java.stamp: $(LISTS)/java/pom.xml
	$(call need,javac,default-jdk-headless)
	$(call need,mvn,maven)
	rm -rf $(GENERATORS)/java
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies dependency:copy -DoutputDirectory=$(GENERATORS)/java
	touch $@

$(GENERATORS)/python.stamp: $(LISTS)/python/requirements.lock $(BIN)/python
	rm -rf $(GENERATORS)/python
	$(BIN)/python -m venv $(GENERATORS)/python
	$(GENERATORS)/python/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(FUZZER)/fuzzer.stamp: tests/fuzz_readers/requirements.lock $(BIN)/python
	rm -rf $(FUZZER)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --target $(FUZZER) -r $<
	touch $@

# Together with the imports of the borrowing program, so that its test needs no network.
$(GENERATORS)/go.stamp: $(LISTS)/go/go.mod $(LISTS)/go/go.sum
	$(call need,go,golang)
	mkdir -p $(GENERATORS)
	cd $(LISTS)/go
	go mod download
	GOBIN="$(CLIENTS)" go install tool
	touch $@

$(BIN)/python:
	python="$(PYTHON)"
	for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
		[ -n "$$python" ] && break
		"$$candidate" -c "$(FITTING)" 2>/dev/null && python="$$candidate"
	done
	"$${python:-false}" -c "$(FITTING)" 2>/dev/null || {
		echo "No Python 3.11 or newer that can make virtual environments was found." >&2
		echo "On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2
		echo "Or name one yourself: make PYTHON=/path/to/python3.12" >&2
		exit 1
	}
	rm -rf $(VENV)
	"$$python" -m venv $(VENV)
