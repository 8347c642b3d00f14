# `make run` and `make test` are all that a newcomer needs. Everything else is said by `make help`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8440
DATA ?= data
KILLS ?= 1000
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE  # tests start hundreds of programs, which would compile everything anew

.PHONY: help setup setup-test run test check format wire wire-check lint types web-check chaos tour bench bench-peers bench-guard lock clean

help: ## Say what there is.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/run.stamp ## Prepare everything that running needs.
	@$(BIN)/python tools/build_web.py

setup-test: $(VENV)/test.stamp web/node_modules/.stamp ## Prepare everything that the tests need, too.
	@$(BIN)/python tools/build_web.py

$(VENV)/run.stamp: requirements.txt pyproject.toml
	@tools/prepare.sh run
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python tools/build_web.py
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: requirements-dev.txt $(VENV)/run.stamp
	@tools/prepare.sh test
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

web/node_modules/.stamp: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --silent
	@touch $@

run: setup ## Start a server on http://localhost:8440, with everything in data/.
	@$(BIN)/tidings serve --data $(DATA) --port $(PORT)

test: setup-test check ## Run every check and every test.
	cd web && npx vitest run
	$(BIN)/pytest

check: setup-test wire-check lint types web-check ## Run what needs no server: formats, lints, types, layers.

wire: ## Write what is derived from tidings.wire: TypeScript, docs, vectors.
	PYTHONPATH=tools $(BIN)/python -m codegen

wire-check:
	PYTHONPATH=tools $(BIN)/python -m codegen --check

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types:
	$(BIN)/mypy

web-check:
	cd web && npx oxlint --type-aware --deny-warnings && npx svelte-check --tsconfig ./tsconfig.json --fail-on-warnings

format: ## Put all files into shape.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: setup-test ## Kill the server KILLS times under traffic, cut the power as often, and judge what came of it.
	$(BIN)/python -m pytest tests/faults/test_chaos.py tests/faults/test_power_cut.py --kills $(KILLS) -s \
		-o faulthandler_timeout=7200

tour: setup-test ## Take the pictures in docs/tour anew.
	TIDINGS_TOUR=docs/tour $(BIN)/pytest tests/e2e/test_tour.py tests/e2e/test_chat.py -k picture

bench: setup-test ## Measure: messages a second and CPU of each, memory of an idle connection.
	$(BIN)/tidings bench relay --pairs 200 --seconds 20
	$(BIN)/tidings bench idle --connections 15000

# What `make bench-peers` measures: ONLY=w1,w4 SERVERS=tidings,prosody ROUNDS=1, SHORT=1 to see it work, JOIN=1 to keep
# what earlier runs brought of other workloads and servers.
BENCH := $(if $(ONLY),--only $(ONLY)) $(if $(SERVERS),--servers $(SERVERS)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	$(if $(SHORT),--short) $(if $(JOIN),--join)

bench-peers: setup ## Measure beside ejabberd and Prosody, in one run: docs/benchmarks.md, build/bench/peers.json.
	@tools/prepare.sh bench
	$(BIN)/python -m bench $(BENCH)

bench-guard: setup ## Fail if a message costs a quarter more than in the last release, or than was recorded (RECORD=1).
	$(BIN)/python -m bench.guard $(if $(RECORD),--record)

lock: ## Pin the newest versions that fit, with their hashes.
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--extra build pyproject.toml --output-file requirements.txt --no-emit-index-url --no-emit-find-links
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--extra build --extra dev pyproject.toml --output-file requirements-dev.txt --constraint requirements.txt \
		--no-emit-index-url --no-emit-find-links

clean: ## Remove what was made, but no data.
	rm -rf $(VENV) build dist web/node_modules src/tidings/static .mypy_cache .ruff_cache .pytest_cache .hypothesis
