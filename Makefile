# make demo, make test, make run: all rest on `make setup`, which puts everything into .venv.
# `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup
SOURCES := core front clients tests bench tools

.DEFAULT_GOAL := help
.PHONY: help setup protos console screenshots demo run test check format lock schema simulate soak bench clean

help: ## lists the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) protos ## puts everything into .venv; does nothing when nothing changed

$(STAMP): requirements/dev.lock requirements/users.lock setup.cfg clients/python/setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Isthmus needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	test -x $(VENV)/users/bin/python || $(PYTHON) -m venv $(VENV)/users
	$(VENV)/users/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/users.lock
	$(BIN)/python clients/python/generate.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e clients/python -e .
	@sh tools/services.sh
	touch $(STAMP)

protos: $(STAMP) ## generates the stubs when a proto changed
	@$(BIN)/python clients/python/generate.py

console: setup ## builds the console, where its sources changed
	@$(BIN)/python -m tools.console

screenshots: setup ## every page of the console as a picture, in both languages and schemes, to build/screenshots
	@$(BIN)/python -m tests.console.screenshots

demo: setup ## starts gateway and Sandbox, sends real requests, shows receipts (ONCE=1: then ends)
	@$(BIN)/isthmus demo $(if $(ONCE),--once)

run: console ## the real thing: SQLite in ./data, first-run setup in the browser
	@$(BIN)/isthmus serve --data ./data

test: console ## the whole suite
	$(BIN)/python -m tests.run

check: setup ## ruff, mypy --strict, buf, import rules
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/buf lint
	$(BIN)/buf breaking --against protos/landed.binpb
	$(BIN)/lint-imports

format: setup ## rewrites the sources in the house's format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

schema: setup ## takes today's protos as the ones that later changes must not break
	$(BIN)/buf build -o protos/landed.binpb

lock: ## resolves the dependencies anew
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python tools/lock.py

simulate: setup ## the ledger in a world that breaks, 2,000 seeds (SEEDS=N); the suite runs 200
	$(BIN)/python -m tests.ledger.simulation --seeds $(or $(SEEDS),2000)

soak: setup ## mixed dialects, streams and faults for ten minutes (MINUTES=N); the suite runs one
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10)

bench: setup ## measures (CASES="a b", PEERS=1 beside LiteLLM and Portkey); writes bench/results/latest.json
	$(BIN)/python -m bench.run $(if $(PEERS),--peers) $(CASES)

clean: ## removes what was built
	rm -rf $(VENV) build dist front/static front/console/node_modules clients/python/build clients/python/src/isthmus/v1 .mypy_cache .ruff_cache .pytest_cache
