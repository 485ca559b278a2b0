# Each target does its own set-up: a virtual environment in .venv, made anew when pyproject.toml changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test tools check format run clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

demo: $(READY) ## the main job on the bundled Graph simulator, in one terminal, under 30 s
	$(BIN)/lro-gateway demo

run: $(READY) ## the gateway with config/gateway.yaml
	$(BIN)/lro-gateway run --config config/gateway.yaml

test: $(READY) tools ## every test, with coverage
	$(BIN)/python -m coverage erase
	$(BIN)/pytest --cov --cov-report=
	$(BIN)/python -m coverage combine --quiet || true
	$(BIN)/python -m coverage report

tools: # programs that tests use and Python's packages do not bring
	@command -v curl > /dev/null || (apt-get update -qq && apt-get install -y -qq curl) \
	  || (echo "make test needs curl: install it with your system's package manager" && false)

check: $(READY) ## format, lint, types and the layer rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy gateway tests
	$(BIN)/pytest -q tests/test_layers.py

format: $(READY) ## put the code into its standard form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the other targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .hypothesis .coverage*
