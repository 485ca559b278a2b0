# Each target does its own set-up: a virtual environment in .venv, made anew when pyproject.toml changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
CLIENTS := $(VENV)/clients/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test chaos tools bench-stores check format run clean corpora fuzz lock audit

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

test: $(READY) $(CLIENTS) tools corpora ## every test, with coverage
	$(BIN)/python -m coverage erase
	$(BIN)/pytest --cov --cov-report= --numprocesses auto --dist loadfile
	$(BIN)/python -m coverage combine --quiet || true
	$(BIN)/python -m coverage report

SEED ?= 1

chaos: $(READY) tools ## thousands of copies through gateways that are killed all the time, about 15 min (SEED=…)
	PYTHONPATH=tests $(BIN)/python -m chaos --store redis --copies 10000 --at-once 200 --seed $(SEED)
	PYTHONPATH=tests $(BIN)/python -m chaos --store sqlite --copies 5000 --seed $(SEED)
	PYTHONPATH=tests $(BIN)/python -m chaos.crashes --store redis --times 5 --stops 2 --at-once 12
	PYTHONPATH=tests $(BIN)/python -m chaos.crashes --store sqlite --times 5
	PYTHONPATH=tests $(BIN)/python -m chaos.outages --seconds 30

tools: # programs that tests use and Python's packages do not bring
	@command -v curl > /dev/null || (apt-get update -qq && apt-get install -y -qq curl) \
	  || (echo "make test needs curl: install it with your system's package manager" && false)
	@command -v redis-server > /dev/null || (apt-get update -qq && apt-get install -y -qq redis-server) \
	  || (echo "make test needs redis-server: install it with your system's package manager" && false)
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib64/faketime/libfaketimeMT.so.1 2> /dev/null | grep -q . \
	  || (apt-get update -qq && apt-get install -y -qq libfaketime) \
	  || (echo "make test needs libfaketime: install it with your system's package manager" && false)
	@test -x /usr/bin/chromium || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core) \
	  || (echo "make test needs Chromium as /usr/bin/chromium: install it with your system's package manager" && false)

# Other people's clients, which the gateway is tried with; by themselves, so that `make demo` need not wait for them.
$(CLIENTS): $(READY) tests/clients/package.json
	@command -v npm > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm) \
	  || (echo "make test needs node and npm: install them with your system's package manager" && false)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group clients
	mkdir -p $(@D)
	cp tests/clients/package.json $(@D)
	npm install --prefix $(@D) --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

bench-stores: $(READY) tools ## what operations cost on each store, a table (about 5 min)
	$(BIN)/python -m bench.stores --write

corpora: $(READY) # requests that others collected, for the tests; what is there is not fetched again
	@test -f $(VENV)/corpora/gunicorn-27.0.1.tar.gz || $(BIN)/python -m pip download --quiet --disable-pip-version-check \
	  --no-deps --no-binary :all: --require-hashes --requirement tests/corpora/requirements.txt --dest $(VENV)/corpora

SECONDS_EACH ?= 60
fuzz: $(READY) ## fuzz what reads foreign bytes, SECONDS_EACH=60 for each target; says so where that cannot be done
	$(BIN)/python -m fuzz --seconds $(SECONDS_EACH) --keep .fuzz

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-annotate --custom-compile-command "make lock"
lock: $(READY) ## renew the lock files that the image is built from
	$(COMPILE) --all-extras pyproject.toml --output-file requirements.lock
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" \
	  | $(COMPILE) - --output-file requirements-build.lock

audit: $(READY) ## see that the lock files install, by their hashes, and that no advisory names what is in them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed --no-deps \
	  --require-hashes --requirement requirements.lock --requirement requirements-build.lock
	$(BIN)/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --strict --progress-spinner off --disable-pip \
	  --require-hashes --requirement requirements.lock --requirement requirements-build.lock \
	  || (echo "make audit: see above; where it says 'not found on PyPI' or names a connection, the database of advisories cannot be reached from here, and nothing was audited" && false)

check: $(READY) ## format, lint, types and the layer rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy gateway tests bench fuzz
	$(BIN)/pytest -q tests/test_layers.py

format: $(READY) ## put the code into its standard form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the other targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .hypothesis .fuzz .coverage*
