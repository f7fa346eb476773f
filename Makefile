# make start   the sample app on http://localhost:7071 (another port: PORT=7072 make start)
# make check   format, lint, types, layers
# make docs    the tables of docs/reference/settings.md from the code
# make conformance   docs/conformance.md from a run of its tests
# make test    every test, and coverage: 90 % overall, 100 % of model, wire and engine
# make soak    the tests that take a minute or more each, then 30 minutes of load, kills and restarts
#              (MINUTES=5 make soak: fewer)
# make sim     random workflows with faults, on a simulated hub (another number: SEEDS=10000 make sim)

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: start setup check docs conformance test soak sim

start: setup
	@$(RUN) -m durable.host

setup: $(VENV)/.installed node_modules/.installed

# The project itself (editable), the local host, and the development tools.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.12 make start"; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[host]' --group dev
	@touch $@

node_modules/.installed: package-lock.json
	@node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' || \
	  { echo "Node.js 20 or newer is needed, for Azurite (https://nodejs.org)"; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

check: setup
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

docs: setup
	$(RUN) -m tests.settings_page

# Any test may show a row of the table: its id says so.
conformance: setup
	$(RUN) -m pytest -n 2 --dist worksteal -q -k "dtfx-8" --junitxml=.reports/conformance.xml
	$(RUN) -m tests.conformance.report .reports/conformance.xml

# The sweeps repeat the same lines thousands of times: they run apart, without coverage.
test: setup
	@rm -f .coverage .coverage.*
	$(RUN) -m coverage run -m pytest -n 2 --dist worksteal -q -m "not sweep and not soak" --junitxml=.reports/tests.xml
	$(RUN) -m tests.conformance.report --check .reports/tests.xml
	$(RUN) -m pytest -n 2 --dist worksteal -q -m "sweep and not soak"
	$(RUN) -m coverage combine -q
	$(RUN) -m coverage report
	$(RUN) -m coverage report --include='durable/model/*,durable/wire/*,durable/engine/*' --fail-under=100

soak: setup
	$(RUN) -m pytest -q -s -m soak
	$(RUN) -m tests.soak --minutes $(or $(MINUTES),30) --kill-every 20 --azurite-restarts 3 --report .reports/soak.md

# Every seed is a case of its own; what a failed one needs to be seen again is printed.
sim: setup
	$(RUN) -m tests.simulation.workflows --seeds $(or $(SEEDS),1000) --from $(or $(FROM),0)
