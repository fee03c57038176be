# Two commands do all: `make demo` shows livegraft, `make test` tests it. `make help` lists the others.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000
CYCLES ?= 10000
HOURS  ?= 1
TEXTS  ?= 500
REQUESTS ?= 20000
# Tests of one file share a process, because their hosts may be set up once for the file; long files
# come first, and there is one process more than processors (`tests/conftest.py`).
AT_ONCE := -n logical --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment is made anew whenever what it is made of has changed.
$(VENV)/.ready: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "livegraft needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready  ## make the environment

.PHONY: demo
demo: setup  ## a web shop with livegraft in it, and what to try (PORT=8000)
	@$(BIN)/python -m examples.shop --port $(PORT)

.PHONY: check
check: setup  ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: chromium
chromium:  # the tests of the pages want a browser; without one they say so and are skipped
	@sh tools/chromium.sh || echo "no Chromium here: the tests of the pages will be skipped" >&2

.PHONY: postgresql
postgresql: setup  # the tests of the store want one; without one they say so and are skipped
	@sh tools/postgresql.sh || echo "no PostgreSQL here: its tests will be skipped" >&2

.PHONY: test
test: setup chromium postgresql check  ## all checks and all tests, the loader's on every Python that is here
	$(MAKE) --no-print-directory matrix
	$(BIN)/pytest -q $(AT_ONCE) --ignore tests/packages
	$(BIN)/pytest -q tests/packages

.PHONY: matrix
matrix:  ## the loader's tests on CPython 3.12 and 3.13
	@for version in 3.12 3.13; do sh tools/matrix.sh $$version || exit 1; done

.PHONY: real
real: setup  ## real packages of the registry, several releases each, with their own tests
	LIVEGRAFT_REAL=1 $(BIN)/pytest -q -rs tests/real

.PHONY: cron-oracle
cron-oracle: setup  ## every zone and change of clocks in ten years, 200 lines: slots against Debian's cron
	$(BIN)/python -m tools.cron_oracle

.PHONY: fuzz
fuzz: setup  ## 50,000 steps of commits, ticks, crashes, clocks and a store that is away
	LIVEGRAFT_FUZZ_STEPS=50000 $(BIN)/pytest -q -p no:randomly --timeout 0 tests/unit/test_slot_machine.py

.PHONY: crash
crash: setup  ## 10,000 times kill -9, at random moments and at every named place: about two hours (CYCLES=10000)
	$(BIN)/python -m tests.crash --cycles $(CYCLES)

.PHONY: soak
soak: setup  ## an hour of commits, runs and faults, and what grows meanwhile (HOURS=1)
	$(BIN)/python -m tests.soak --hours $(HOURS)

.PHONY: full-disk
full-disk: setup  ## fill the disk under a running server and free it, 100 times (takes root)
	LIVEGRAFT_FULL_DISK=100 $(BIN)/pytest -q -s tests/faults/test_history_faults.py -k again_and_again

.PHONY: hostile
hostile: setup chromium  ## 500 hostile texts, each in every field of every page, in Chromium (TEXTS=500)
	LIVEGRAFT_HOSTILE=$(TEXTS) $(BIN)/pytest -q -s --timeout 0 tests/hostile

# It is run as a program, in an environment of its own: what it depends on is no part of the others.
.venv-api-fuzz/.ready: requirements/api-fuzz.lock
	$(PYTHON) -m venv --clear .venv-api-fuzz
	.venv-api-fuzz/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/api-fuzz.lock
	@touch $@

.PHONY: api-fuzz
api-fuzz: setup .venv-api-fuzz/.ready  ## 20,000 requests made of the OpenAPI document to a real server (REQUESTS=20000)
	$(BIN)/python -m tools.api_fuzz --program "$$PWD/.venv-api-fuzz/bin/schemathesis" --requests $(REQUESTS)

.PHONY: bench
bench: setup  ## measure the figures: a table, and build/bench.json
	$(BIN)/python -m benchmarks

.PHONY: screenshots
screenshots: setup  ## take the pictures of the pages: docs/images, build/screenshots
	$(BIN)/python -m tools.screenshots

.PHONY: lock
lock: setup  ## resolve the dependencies anew: names, versions and hashes, no addresses
	sh tools/lock.sh

.PHONY: clean
clean:  ## remove what these commands made
	rm -rf $(VENV) .venv-* build demo
