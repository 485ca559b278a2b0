# Each target does its own set-up: a virtual environment in .venv, made anew when pyproject.toml changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
CLIENTS := $(VENV)/clients/.ready
SITE   := $(VENV)/site/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test chaos tools bench bench-tools bench-stores check format run clean corpora docs fuzz lock audit dist sbom release-check test-lowest test-python

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

demo: $(READY) ## the main job on the bundled Graph simulator, in one terminal, under 30 s
	$(BIN)/lro-gateway demo

run: $(READY) ## the gateway with config/gateway.yaml
	$(BIN)/lro-gateway run --config config/gateway.yaml

test: $(READY) $(CLIENTS) $(SITE) tools corpora ## every test, with coverage
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
	@command -v openssl > /dev/null || (apt-get update -qq && apt-get install -y -qq openssl) \
	  || (echo "make test needs openssl: install it with your system's package manager" && false)
	@command -v kubectl > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends kubernetes-client) \
	  || (echo "make test needs kubectl: install it with your system's package manager" && false)
	@docker compose version > /dev/null 2>&1 || command -v docker-compose > /dev/null \
	  || (apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-compose) \
	  || (echo "make test needs docker-compose: install it with your system's package manager" && false)
	@command -v systemd-analyze > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd) \
	  || (echo "make test needs systemd-analyze: install systemd with your system's package manager" && false)

# Other people's clients, which the gateway is tried with; by themselves, so that `make demo` need not wait for them.
$(CLIENTS): $(READY) tests/clients/package.json tests/clients/programs/in_go.go
	@command -v npm > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm) \
	  || (echo "make test needs node and npm: install them with your system's package manager" && false)
	@command -v javac > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jdk-headless) \
	  || (echo "make test needs a JDK, 17 or newer: install it with your system's package manager" && false)
	@command -v go > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends golang-go) \
	  || (echo "make test needs Go: install it with your system's package manager" && false)
	@command -v rclone > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends rclone) \
	  || (echo "make test needs rclone: install it with your system's package manager" && false)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group clients --group deploy
	mkdir -p $(@D)
	cp tests/clients/package.json $(@D)
	npm install --prefix $(@D) --no-package-lock --no-audit --no-fund --loglevel=error
	GOCACHE=$(abspath $(@D))/go GO111MODULE=off go build -o /dev/null tests/clients/programs/in_go.go # keeps what the tests' build needs
	touch $@

docs: $(SITE) ## the documentation as a site, into site/; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# What builds the site, and the scripts that it brings itself instead of loading them from elsewhere.
$(SITE): $(READY) website/scripts.py
	@command -v npm > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm) \
	  || (echo "make docs needs npm: install it with your system's package manager" && false)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	$(BIN)/python -m website.scripts $(@D)
	touch $@

BENCH := $(VENV)/bench/.ready
QUICK ?=
ONLY ?=
bench: $(READY) $(BENCH) bench-tools ## the gateway beside other proxies, about 30 min on an idle machine (QUICK=1; ONLY=passage,bodies,tls,…)
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

$(BENCH): # by itself, because it pins what we use in other versions
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'mitmproxy>=11,<12'
	touch $@

bench-tools: # the proxies that are measured beside ours, and the load
	@(command -v nginx && command -v haproxy && command -v wrk && command -v redis-server && test -e /usr/lib/nginx/modules/ngx_http_lua_module.so) > /dev/null \
	  || (apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx libnginx-mod-http-lua haproxy wrk redis-server) \
	  || (echo "make bench needs nginx with Lua, haproxy, wrk and redis-server: install them with your system's package manager" && false)

bench-stores: $(READY) tools ## what operations cost on each store, a table (about 5 min)
	$(BIN)/python -m bench.stores --write

corpora: $(READY) # requests that others collected, for the tests; what is there is not fetched again
	@test -f $(VENV)/corpora/gunicorn-27.0.1.tar.gz || $(BIN)/python -m pip download --quiet --disable-pip-version-check \
	  --no-deps --no-binary :all: --require-hashes --requirement tests/corpora/requirements.txt --dest $(VENV)/corpora

SECONDS_EACH ?= 60
fuzz: $(READY) ## fuzz what reads foreign bytes, SECONDS_EACH=60 for each target; says so where that cannot be done
	$(BIN)/python -m fuzz --seconds $(SECONDS_EACH) --keep .fuzz

LOCKS ?= .
UPGRADE ?= --upgrade
COMPILE = $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
  --no-annotate --custom-compile-command "make lock"
lock: $(READY) ## renew the lock files that the image is built from
	$(COMPILE) --all-extras pyproject.toml --output-file $(LOCKS)/requirements.lock
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" \
	  | $(COMPILE) - --output-file $(LOCKS)/requirements-build.lock

audit: $(READY) ## see that the lock files install, by their hashes, and that no advisory names what is in them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed --no-deps \
	  --require-hashes --requirement requirements.lock --requirement requirements-build.lock
	$(BIN)/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --strict --progress-spinner off --disable-pip \
	  --require-hashes --requirement requirements.lock --requirement requirements-build.lock \
	  || (echo "make audit: see above; where it says 'not found on PyPI' or names a connection, the database of advisories cannot be reached from here, and nothing was audited" && false)

# The same tests in an environment of its own: $(1) is its folder, $(2) its Python, $(3) which versions are taken.
define TEST_IN
	@$(2) -c "import sys; v = sys.version_info[:3]; sys.exit(f'{v} forgets back-pressure, and tests would take all memory (python/cpython issue 127655): take 3.12.9, 3.13.2 or newer' if (3, 12) <= v < (3, 12, 9) or (3, 13) <= v < (3, 13, 2) else 0)"
	$(BIN)/uv venv --quiet --clear --python $(2) $(1)
	$(BIN)/uv pip install --quiet --python $(1)/bin/python --resolution $(3) --editable '.[otlp,redis]' --group dev
	ln -s ../$(VENV)/corpora $(1)/corpora
	$(1)/bin/python -m gateway --version
	$(1)/bin/pytest --quiet --numprocesses auto --dist loadfile --ignore tests/unit/test_lock.py tests/unit tests/contract tests/integration tests/simulator
endef

test-lowest: $(READY) tools corpora ## most tests with the oldest versions that pyproject.toml allows, about 5 min
	$(call TEST_IN,.venv-lowest,$(BIN)/python,lowest-direct)

WITH ?= python3.13
test-python: $(READY) tools corpora ## most tests under another Python, about 5 min (WITH=python3.13)
	$(call TEST_IN,.venv-python,$(WITH),highest)

dist: $(READY) ## wheel and sdist into dist/; one commit gives the same bytes everywhere
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2> /dev/null || date +%s) $(BIN)/python -m hatchling build
	$(BIN)/uv tool run --quiet --from twine==7.0.0 twine check --strict dist/*

IMAGE := $(VENV)/image
CYCLONEDX = $(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py
BILL = --spec-version 1.6 --output-reproducible --no-validate --pyproject pyproject.toml --mc-type application
sbom: dist ## what the image installs, with licences and hashes, into dist/lro-gateway.cdx.json (CycloneDX)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(IMAGE)
	$(BIN)/uv pip sync --quiet --python $(IMAGE)/bin/python --require-hashes requirements.lock
	$(CYCLONEDX) environment $(BILL) --output-file $(IMAGE)/installed.json $(IMAGE)/bin/python
	$(CYCLONEDX) requirements $(BILL) --output-file $(IMAGE)/locked.json requirements.lock 2> /dev/null
	$(BIN)/uv run --quiet --no-project --python $(BIN)/python --with cyclonedx-bom==7.5.0 \
	  python -m release.bill $(IMAGE)/installed.json $(IMAGE)/locked.json dist/*.whl dist/lro-gateway.cdx.json

release-check: dist ## whether this commit can be released: version, changelog, locks, package
	mkdir -p $(VENV)/locks
	cp requirements.lock requirements-build.lock $(VENV)/locks
	$(MAKE) --no-print-directory lock LOCKS=$(VENV)/locks UPGRADE=
	$(BIN)/python -m release $(VENV)/locks

check: $(READY) ## format, lint, types and the layer rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy gateway tests bench fuzz release website
	$(BIN)/pytest -q tests/test_layers.py

format: $(READY) ## put the code into its standard form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-* dist build site .mypy_cache .ruff_cache .hypothesis .fuzz .coverage*
