# Everything a developer types. `make setup` builds .venv by itself; the other targets call it when it is missing.

PYTHON_CANDIDATES = python3.11 python3.12 python3.13 python3
VENV = .venv
BIN = $(VENV)/bin
# Servers started by tests share the machine with the tests, so no more workers than this.
WORKERS ?= 2

.PHONY: setup demo test check lint types imports unit test-slow test-reference bench lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml tools/make-venv
	@tools/make-venv $(VENV) "$(PYTHON_CANDIDATES)"
	@touch $@

# Two frameworks share a cluster on this machine. INPUT=folder: count its texts; KEEP=1: leave the cluster up;
# OUTPUT=folder: where the results go.
demo: setup
	@$(BIN)/tepui demo $${INPUT:+--input="$$INPUT"} $${OUTPUT:+--output="$$OUTPUT"} $(if $(filter-out 0,$(KEEP)),--keep)

test: setup check unit

check: lint types imports

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not slow and not reference"

test-slow: setup
	$(BIN)/pytest -m slow --timeout 1800

test-reference: setup
	TEPUI_CONFORMANCE_TARGET=reference $(BIN)/pytest -m reference --timeout 600

bench: setup
	$(BIN)/python -m benchmarks

lock: setup
	$(BIN)/pip-compile --quiet --strip-extras --all-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
