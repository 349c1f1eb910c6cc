# One command for each chore. All of them make .venv first, and again only when pyproject.toml or constraints.txt change.
#   make demo PYTHON=python3.12      to choose the interpreter (3.11 or newer)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-slow bench docs lint format clean clean-cache

help:
	@echo "make demo       fit the bundled recording; figures, tables and report.html go to demo-output/"
	@echo "make test       run the tests (minutes)"
	@echo "make test-slow  run all tests, those too that take long"
	@echo "make bench      time the fits"
	@echo "make docs       build the pages: build/html/docs/index.html"
	@echo "make lint       style, types and layers"
	@echo "make format     let ruff put the style right"
	@echo "make clean-cache  forget compiled functions"
	@echo "make clean      remove .venv and whatever was made"

demo: .venv/package.stamp
	$(BIN)/ltc-causal run case_studies/attention/config.toml --out demo-output

test: .venv/test.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: .venv/test.stamp
	$(BIN)/python -m pytest -m "" -n 2 --dist loadfile

bench: .venv/test.stamp
	$(BIN)/python -m pytest tests/benchmarks -m "" --benchmark-enable --benchmark-only

docs: .venv/test.stamp
	$(BIN)/sphinx-build -W --keep-going -c docs -b html . build/html

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

format: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean-cache:
	find ltc_causal tests -name '*.nb[ic]' -delete

clean:
	rm -rf .venv build dist docs/api.rst docs/generated docs/examples demo-output *.egg-info .pytest_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# A stamp is only touched when the installation succeeded. The order-only bar: a newer python alone is no reason to install again.
.venv/package.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/test.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch .venv/package.stamp $@
