# make app       sets everything up and starts bnviz    make bench     measures and prints a table
# make test      sets up and runs the quick tests       make test-all  runs all tests
# make app CPU=1 TORCH_INDEX=…  with PyTorch's build for processors; README.md says more
# make check     lint, types and quick tests            make check-all lint, types, all tests and the audit
# make audit     asks an index whether what bnviz needs has known faults
PYTHON ?= python3
PORT ?= 8501
# On Linux PyTorch's usual build brings gigabytes for NVIDIA GPUs. CPU=1 takes its build for processors, CPU=0 the usual
# one; otherwise a machine without an NVIDIA driver tries for the smaller one. TORCH_INDEX: the index that has it, where
# pip's own settings do not name it.
CPU ?= $(if $(shell command -v nvidia-smi || ls -d /proc/driver/nvidia 2>/dev/null),0,try)
TORCH_INDEX ?=
TORCH := $(shell grep '^torch==' requirements.txt)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app test test-all check check-all audit lint types house look film bench clean

app: $(VENV)/.app
	@echo "bnviz opens at http://localhost:$(PORT)"
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest

check: lint types test

check-all: lint types test-all audit

audit: $(VENV)/.dev
	@test -d $(VENV)/audit/pip_audit || $(BIN)/python -m pip install --quiet --target $(VENV)/audit pip-audit==2.10.1 \
	  || { echo "make audit: skipped, as no index that has pip-audit can be reached"; exit 0; }; \
	PYTHONPATH=$(VENV)/audit $(BIN)/python -m pip_audit --requirement requirements.txt --no-deps --disable-pip \
	  --progress-spinner off >$(VENV)/audit.txt 2>&1; code=$$?; cat $(VENV)/audit.txt; \
	if [ $$code -ne 0 ] && ! grep -q "known vulnerabilit" $(VENV)/audit.txt; then \
	  echo "make audit: skipped, as the index of known faults cannot be reached"; exit 0; fi; exit $$code

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

look: $(VENV)/.dev
	$(BIN)/python -m bnviz.tools.look pages

film: $(VENV)/.dev
	$(BIN)/python -m bnviz.tools.look film

house: $(VENV)/.dev
	@command -v dot >/dev/null || { echo "make house needs Graphviz: apt-get install graphviz"; exit 1; }
	$(BIN)/import-linter drawgraph bnviz --show-lazy-imports | grep -vE '"\.(__main__|cli|tools|version)"' | tred 2>/dev/null \
	  | dot -Tsvg -Gbgcolor=white -Nshape=box -Nstyle=rounded,filled -Nfillcolor="#EAF3FA" -Ncolor="#0072B2" \
	    -Nfontname=Helvetica -Ecolor="#5A6B7A" -Earrowsize=0.7 -o docs/house.svg

bench: $(VENV)/.app
	$(BIN)/python -m bnviz bench

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

define torch
	@if [ "$$(uname -s)" != Linux ] || [ "$(CPU)" = 0 ]; then exit 0; fi; \
	if $(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)") "$(TORCH)+cpu"; then \
	  echo "PyTorch's build for processors is installed. For NVIDIA GPUs: make clean, then make app CPU=0"; \
	else \
	  echo "pip found no $(TORCH)+cpu, PyTorch's build for processors, which spares gigabytes."; \
	  echo "PyTorch's page \"Start Locally\" names its index for CPU: make app CPU=1 TORCH_INDEX=address"; \
	  if [ "$(CPU)" = 1 ]; then exit 1; fi; echo "The usual build is taken now."; \
	fi
endef

$(VENV)/.app: requirements.txt requirements-export.txt | $(VENV)/bin/python
	$(torch)
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-export.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-export.txt requirements-dev.txt | $(VENV)/bin/python
	$(torch)
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@ $(VENV)/.app

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
