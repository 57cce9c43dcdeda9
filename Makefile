# What `make demo` chooses a loss for: a table, its target column, and the aim.
TABLE  = examples/data/doctor_visits.csv
COLUMN = mdvis
AIM    = median
REPORT = demo-report.html

PYTHON ?= python3
VENV   ?= .venv
# Installed before anything that depends on it: only this version has a small, CPU-only build.
TORCH  ?= torch==2.13.0
JAX    ?= jax

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo docs test test-full check bench bench-linear lint clean

help:
	@echo "make demo        choose a loss for $(TABLE), write $(REPORT)"
	@echo "make docs        the documentation as a site, in build/site"
	@echo "make test        the covering subset of the tests"
	@echo "make test-full   every test; the log goes to build/test-full.log"
	@echo "make check       lint and the fast tests, under two minutes"
	@echo "make lint        ruff, mypy --strict, import-linter"
	@echo "make bench       the benchmarks; make bench-linear those of linear models, beside other trainers"
	@echo "make clean       remove what was built; $(VENV) stays"
	@echo "Each sets up $(VENV) by itself."

demo: $(VENV)/.stamp-choose
	$(BIN)/lossmith choose $(TABLE) --target $(COLUMN) --aim $(AIM) --report $(REPORT)
	@echo "The report is at $(abspath $(REPORT)): open it in a browser."

# Warnings are errors. What chapters computed is kept in build/pages until the library changes.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/.stamp-docs
	$(BIN)/mkdocs build --strict --quiet
	@echo "The site is in build/site: open $(abspath build/site/index.html), or serve the folder."

# One thread a test worker: the workers themselves fill the cores.
test test-full check: export OMP_NUM_THREADS = 1
test test-full check: export OPENBLAS_NUM_THREADS = 1
test test-full check: export MKL_NUM_THREADS = 1
PYTEST = $(BIN)/python -m pytest -q -n 2

test: $(VENV)/.stamp-dev
	$(PYTEST)

test-full: $(VENV)/.stamp-dev
	@mkdir -p build
	$(PYTEST) -vv -m "" | tee build/test-full.log

check: lint
	$(PYTEST) -m "not full and not slow"

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check src tests docs $(wildcard benchmarks examples/linear)
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

bench: $(VENV)/.stamp-dev
	$(BIN)/python benchmarks/run.py

# The other trainers of linear models are measured where they can be had; they ask for other versions of what $(VENV) has,
# so they live beside it. What was measured of linear_models is kept: "make bench-linear" goes on where it was stopped.
PEERS = build/peers
bench-linear: $(PEERS)/.stamp
	$(PEERS)/bin/python benchmarks/run.py linear_pass linear_growth
	$(PEERS)/bin/python benchmarks/run.py linear_models linear_threads --missing

$(PEERS)/.stamp: $(VENV)/.stamp-dev
	$(BIN)/python -m venv $(PEERS)
	printf '%s\n' "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" "$(CURDIR)/src" \
	    > "$$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/beside.pth"
	for peer in glum rehline skglm; do \
	    $(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet $$peer \
	        || echo "$$peer cannot be installed here: measured without it" >&2; \
	done
	@touch $@

clean:
	rm -rf build dist $(REPORT) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. A stamp is as old as the last installation, so a changed pyproject.toml installs anew.
$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python libgomp chromium
	$(PIP) $(TORCH)
	$(PIP) $(JAX)
	$(PIP) --editable ".[choose,docs,dev]"
	@$(BIN)/python -m compileall -q src
	@touch $(VENV)/.stamp-choose $(VENV)/.stamp-docs $@

# A chapter of the guide trains with PyTorch.
$(VENV)/.stamp-docs: pyproject.toml | $(BIN)/python libgomp
	$(PIP) $(TORCH)
	$(PIP) --editable ".[choose,docs]"
	@$(BIN)/python -m compileall -q src
	@touch $(VENV)/.stamp-choose $@

$(VENV)/.stamp-choose: pyproject.toml | $(BIN)/python libgomp
	$(PIP) --editable ".[choose]"
	@$(BIN)/python -m compileall -q src
	@touch $@

# A package of the system that is missing, and what is missing then: installed where we may, else asked for.
define system_package
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1); \
else \
    echo "$(2). On Debian or Ubuntu run: sudo apt-get install $(1)" >&2; exit 1; \
fi
endef

# Debian keeps venv in a package of its own.
$(BIN)/python:
	@if ! command -v $(PYTHON) >/dev/null || ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	    $(call system_package,python3-venv,Python's venv module is missing); \
	fi
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	    "lossmith needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# LightGBM needs the OpenMP runtime, which a bare Debian lacks.
.PHONY: libgomp
libgomp:
	@if PATH="$$PATH:/usr/sbin:/sbin" command -v ldconfig >/dev/null \
	        && ! PATH="$$PATH:/usr/sbin:/sbin" ldconfig -p | grep -F libgomp.so.1 >/dev/null; then \
	    $(call system_package,libgomp1,LightGBM needs libgomp.so.1); \
	fi

# The tests open the site and the report in a browser; without one those tests say so, and the others run.
.PHONY: chromium
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null \
	    || ( $(call system_package,chromium,The tests of pages need a browser) ) || true
