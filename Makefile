# Everything a user or a developer runs. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .setup

# What the suite needs from Debian: a browser, what its driver links to, a SIP generator, a SIP phone, a SIP proxy; and for clients
# that trust our authority, NSS, Java, Node, curl, and a network of their own; a database server.
TEST_PACKAGES := chromium chromium-headless-shell libatomic1 sip-tester baresip-core libnss3-tools \
	openjdk-17-jdk-headless nodejs iproute2 curl postgresql kamailio

# Bytecode is kept: without it, each of the suite's workers compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test check bench bare fuzz setup setup-dev setup-test format lock docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | expand -t 14

run: setup ## Install what is missing, then start the demo gateway on this machine
	@exec $(BIN)/rtc-gateway demo $(ARGS)

test: setup-test ## Install what the tests need, then run the whole suite
	@PATH="$$(scripts/rust.sh --path)$$PATH" cargo test --locked --quiet --no-default-features --manifest-path $(NATIVE)/Cargo.toml
	$(BIN)/pytest -q -n 2 --dist worksteal -o asyncio_debug=false tests/unit $(ARGS)
	@# These wait more than they compute: several workers for each processor.
	$(BIN)/pytest -n 8 --dist loadgroup -o asyncio_debug=false -m "not load" --ignore tests/unit --ignore tests/wire/media $(ARGS)
	@# Threads that keep time against far ends in Python: these want the processors to themselves.
	$(BIN)/pytest -n 4 --dist loadgroup -o asyncio_debug=false tests/wire/media $(ARGS)
	$(BIN)/pytest -o asyncio_debug=false -m load --ignore tests/unit $(ARGS)

check: setup-dev ## The fast loop: format, lint, types, layers, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q -n 3 --dist worksteal -o asyncio_debug=false tests/unit $(ARGS)

bench: setup-dev $(if $(findstring speech,$(ARGS)),$(STAMPS)/speech) ## Benchmarks: call set-up time, added delay, load
	$(BIN)/python -m tests.bench $(ARGS)

bare: ## Try the last commit in a Debian 12 that has nothing yet (as root): ARGS="make run", or check and test
	scripts/bare_debian.sh $(ARGS)

fuzz: setup-dev $(STAMPS)/fuzz ## Fuzz what strangers send: ARGS="verto -max_total_time=60", or sdp, sip, port, stun, rtp ...
	$(BIN)/python -m tests.fuzz $(ARGS)

format: setup-dev ## Format and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(STAMPS)/python $(STAMPS)/console ## Put the program and its console into the tree

setup-dev: setup $(STAMPS)/dev ## The same, and the tools of a developer

setup-test: setup-dev $(STAMPS)/test $(STAMPS)/clients ## The same, and the real clients that the tests drive

# The packet path is compiled: again whenever its source has changed.
NATIVE := gateway/media/native
NATIVE_SOURCE := $(NATIVE)/Cargo.toml $(NATIVE)/Cargo.lock $(shell find $(NATIVE)/src -name '*.rs')

$(STAMPS)/python: requirements/run.txt pyproject.toml scripts/rust.sh $(NATIVE_SOURCE)
	@mkdir -p $(STAMPS)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/debian-packages.sh python3-venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing Python packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/run.txt
	@scripts/rust.sh
	@echo "compiling the packet path"
	@PATH="$(CURDIR)/$(BIN):$$(scripts/rust.sh --path)$$PATH" $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 0 gateway
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/python
	@echo "installing developer tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

$(STAMPS)/fuzz: requirements/fuzz.txt $(STAMPS)/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/fuzz.txt
	@touch $@

$(STAMPS)/speech: requirements/speech.txt $(STAMPS)/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/speech.txt
	@touch $@

$(STAMPS)/console: package-lock.json package.json scripts/build_console.py $(STAMPS)/python
	@PYTHON=$(BIN)/python $(BIN)/python scripts/build_console.py
	@touch $@

$(STAMPS)/test: $(STAMPS)/dev Makefile
	@scripts/debian-packages.sh $(TEST_PACKAGES)
	@touch $@

# The npm clients of the tests: each folder has a lock of its own.
CLIENT_LOCKS := $(wildcard tests/interop/*/package-lock.json)

$(STAMPS)/clients: $(CLIENT_LOCKS) scripts/install_clients.py scripts/build_console.py $(STAMPS)/python
	@$(BIN)/python scripts/install_clients.py
	@touch $@

lock: setup-dev ## Renew requirements/*.txt from pyproject.toml
	$(BIN)/python scripts/lock.py

clean: ## Remove what set-up and tests left in the tree
	rm -rf $(VENV) $(STAMPS) node_modules tests/interop/*/node_modules gateway/console/static/vendor gateway/media/_native*.so $(NATIVE)/target $(NATIVE)/fuzz/target .mypy_cache .ruff_cache .pytest_cache .hypothesis
