# The one door. Each target sets up what it needs; scripts/setup.sh costs nothing when .venv is ready.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# An active virtual environment or a stray path must not reach the tools in .venv.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

PYTHON := .venv/bin/python
PYTEST_ARGS ?=
SOAK_ARGS ?=
BENCH_ARGS ?=

.PHONY: help setup demo test soak check format bench package manifest pictures lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-15s %s\n' "$$name" "$$text"; done

setup: ## make .venv with the command line regsvcs-response
	@sh scripts/setup.sh

demo: setup ## run the playbook over the cases in examples/, the last over stand-ins for Splunk and an EDR
	@$(PYTHON) -m scripts.demo

test: setup ## run the tests (PYTEST_ARGS="-k name" for some, "-n 0 --pdb" to debug)
	@$(PYTHON) -m pytest -n auto --maxprocesses 4 $(PYTEST_ARGS)

soak: setup ## run the tests with thousands of other examples, and the long loads (SOAK_ARGS="-k ledger")
	@REGSVCS_RESPONSE_SOAK=1 $(PYTHON) -m pytest -n auto --maxprocesses 4 $(SOAK_ARGS)

check: setup ## format, lint, types, layers, pinned requirements, generated files
	@sh scripts/check.sh

format: setup ## write the format and the safe lint fixes
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

bench: setup ## measure each figure beside its baseline (BENCH_ARGS="--quick")
	@$(PYTHON) -m benchmarks $(BENCH_ARGS)

package: setup ## build the SOAR app and playbooks in dist/, install the app and ask it
	@$(PYTHON) -m scripts.soar.package

manifest: setup ## write manifest.json and docs/bundled-packages.md from the app
	@$(PYTHON) -m scripts.soar.manifest

pictures: setup ## draw the pictures of docs/images again (needs Chromium)
	@$(PYTHON) -m scripts.picture
	@$(PYTHON) -m scripts.playbook_picture
	@$(PYTHON) -m scripts.page_pictures

lock: setup ## pin the requirements again from pyproject.toml (needs uv)
	@$(PYTHON) -m scripts.lock

clean: ## remove .venv, caches and output
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist out
