# Each target sets up .venv, with all it needs, if it is not there.

PYTHON ?= python3
SEEDS ?= 100
BIN := .venv/bin
# Tools that decide what is installed are themselves pinned.
RESOLVER := uv==0.13.9
AUDITOR := pip-audit==2.10.1
COMPILE = .venv/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --group build --group model \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q
ROOMS := temporal_taskflow grammar workflows activities runtime console pictures commands taskflows tests benchmarks docs .ci starter.py worker.py hatch_build.py

# Hundreds of processes would compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check fix bench fuzz lock audit pin mutations replay docs pictures compare chaos budgets scale limits fairness dist clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/ready  ## run the hello example: real Temporal server, real (toy) model
	@$(BIN)/python starter.py taskflows/examples/hello.yaml

test: .venv/ready  ## all tests, cheapest first
	@$(BIN)/pytest

check: .venv/ready  ## format, lint, types, import rules
	$(BIN)/ruff format --check $(ROOMS)
	$(BIN)/ruff check $(ROOMS)
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/ready  ## format, and mend what the linter can
	$(BIN)/ruff check --fix $(ROOMS)
	$(BIN)/ruff format $(ROOMS)

bench: .venv/ready  ## side by side: raw Temporal, the engine these files were written for, ours; writes docs/performance.md (half an hour)
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.live
	@$(BIN)/python -m benchmarks.sandbox

fuzz: .venv/ready  ## ten thousand random documents and templates: no traceback, no hang (some minutes)
	@FUZZ=1 $(BIN)/pytest -n0 -q --timeout 1800 tests/grammar/test_random.py

compare: .venv/ready  ## the engine that these files were written for and ours, side by side (some minutes)
	@$(BIN)/python -m benchmarks.compare

chaos: .venv/ready  ## 100 runs while servers, workers, tools and the endpoint fail (about 20 minutes; SEEDS=10 for fewer)
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS)

budgets: .venv/ready  ## 20 runs with budgets while servers and workers are killed (about 20 minutes; SEEDS=10 for fewer)
	@$(BIN)/python -m tests.budgets --seeds $(if $(filter file,$(origin SEEDS)),20,$(SEEDS))

scale: .venv/ready  ## 10,000 items with a worker killed in the middle, a 100 MB list, a 20 MB tool result (about 10 minutes)
	@$(BIN)/python -m benchmarks.scale

mutations: .venv/ready  ## take out one defence after the other, and see tests red (most of an hour; ONLY=test_sandbox.py)
	@$(BIN)/python -m tests.security.mutations $(ONLY)
limits: .venv/ready  ## 3 workers, 60 requests a minute, 200 items, and one 429 in the middle (4 minutes)
	@$(BIN)/python -m benchmarks.limits

fairness: .venv/ready  ## how long 10 items take beside 1,000 on a worker that has too much to do (half a minute)
	@$(BIN)/python -m benchmarks.fairness

replay: .venv/ready  ## record the histories in tests/replay anew
	@$(BIN)/python -m tests.replay.record_histories

docs: .venv/ready  ## the docs as a site, in .site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "built: .site/index.html"

pictures: .venv/ready  ## take the pictures in the docs anew (needs Chromium and tmux; some minutes)
	@$(BIN)/python -m docs.pictures

lock: .venv/ready  ## resolve the dependencies anew: all of them, and of these what the image needs
	$(PYTHON) -m venv .venv/uv && .venv/uv/bin/pip install -qq $(RESOLVER)
	$(COMPILE) --group dev --group docs --upgrade -o requirements.lock
	$(COMPILE) --constraint requirements.lock -o requirements-image.lock

audit: .venv/ready  ## what is known of weaknesses in the dependencies (asks PyPI)
	$(PYTHON) -m venv .venv/audit && .venv/audit/bin/pip install -qq $(AUDITOR)
	.venv/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

pin:  ## have the images in Dockerfile and compose file stand by their digests (asks their registries, by docker)
	@$(PYTHON) .ci/pin_images.py

dist: .venv/ready  ## the package, in dist: as a wheel, and as its sources
	@rm -rf dist
	@$(BIN)/hatchling build

clean:  ## remove .venv and caches
	rm -rf .venv .site dist .mutations .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "the venv module of $(PYTHON) is missing; on Debian: apt install python3-venv"; exit 1; }
	@echo "setting up .venv (once, about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
