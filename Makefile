# Everything runs in .venv, which the first target that needs it makes: Python 3.11 or newer and make are enough.

PYTHON ?= $(firstword $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p; done; true))
BIN := .venv/bin
READY := .venv/.ready
OUT := out
# what is to be replaced is not loaded
COMPILE := LBREPLAY_INTERPRETED=1 $(BIN)/python -m lbreplay.loop.build
PYTEST := $(BIN)/python -m pytest
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

.PHONY: docs demo build test check lint types fmt bench golden recorded samples picture fuzz siege clean

demo: build  ## the main job on a sample capture, without any configuration
	@mkdir -p $(OUT)
	$(BIN)/lbreplay run samples/web.pcap -o $(OUT)/web.pcap --html $(OUT)/web.html

build: $(READY)  ## compile the loop, where a C compiler is; what is compiled already is left
	@$(COMPILE)

test: build lint types check recorded  ## everything that must hold before a change lands

check: $(READY)
	$(PYTEST) -q -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

recorded: $(READY)  ## the recorded cases, as a user would run them
	$(BIN)/lbreplay test tests/golden/dpvs tests/golden/dpvs-1.8 tests/golden/ipvs tests/cases -j 2

fmt: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: build  ## speed and memory, side by side with other tools, e.g. BENCH="--quick speed"; BENCH=--record keeps it
	@$(BIN)/python -c 'import matplotlib' 2>/dev/null || $(PIP) '.[bench]'
	$(BIN)/python -m bench $(BENCH)

golden: $(READY)  ## rewrite the project's own expectations (never the recorded ones); read the diff
	$(BIN)/lbreplay test tests/cases --update

samples: $(READY)  ## make the captures in samples/ again
	$(BIN)/python samples/make_samples.py

docs: $(READY)  ## the documentation into out/docs; a warning is an error
	$(BIN)/python -m sphinx -W -q -b html docs $(OUT)/docs

picture: $(READY)  ## the table and the page in the README (the page needs chromium)
	$(BIN)/python samples/make_picture.py

SANITIZERS = $(shell for l in asan ubsan; do gcc -print-file-name=lib$$l.so; done)
SANITIZED = ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(SANITIZERS)"

fuzz: $(READY)  ## hostile captures, configurations, imports, arguments and cases, for FUZZ_SECONDS: every index checked, then under sanitizers
	LBREPLAY_BUILD=check $(COMPILE)
	$(BIN)/python tests/fuzz.py $(or $(FUZZ_SECONDS),60)
	LBREPLAY_BUILD=sanitize $(COMPILE)
	$(SANITIZED) $(BIN)/python tests/fuzz.py $(or $(FUZZ_SECONDS),60) replay
	$(SANITIZED) $(BIN)/python tests/fuzz.py $(or $(FUZZ_SECONDS),60) flood
	@$(COMPILE)

siege: $(READY)  ## signals, kills and faults at any moment, for SIEGE_SECONDS
	$(BIN)/python tests/siege.py $(or $(SIEGE_SECONDS),180)

clean:
	rm -rf .venv $(OUT) .mypy_cache .ruff_cache .pytest_cache

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (or say: make PYTHON=/path/to/python)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) '.[dev]'
	@$(BIN)/python -m compileall -q lbreplay  # as an ordinary installation is
	@touch $@
