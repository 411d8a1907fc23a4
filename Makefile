# Every target creates what it needs first: `.venv`, and real programs where they may be installed. See CONTRIBUTING.md.
# PYTHON=/path/to/python chooses the interpreter, WORKERS=n the number of test processes.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
WORKERS ?= 2
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadgroup

# Installed once, and again when pyproject.toml changes: the package with its extras, and with the development tools.
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types imports covered exact bench load docs defences cache-tests fuzz clean programs \
	bench-programs

help:
	@echo 'make demo    serve the petstore example with its back end, and say what to try'
	@echo 'make test    run all tests'
	@echo 'make check   format, lint, types, import contracts, tests, coverage of core/: what CI runs'
	@echo 'make exact   20 runs of many processes against one limit in Redis'
	@echo 'make bench   run the benchmarks and write benchmarks/results/'
	@echo 'make load    drive the whole gateway at the account limit, beside a bare server'
	@echo 'make docs    build docs/_build/html'
	@echo 'make cache-tests  the edge cache on the public tests, in CACHE_TESTS=DIRECTORY'
	@echo 'make defences  take one defence away at a time: does its attack test fail?'
	@echo 'make fuzz    run the property tests with 100000 examples each'
	@echo 'make clean   remove what the others made'

demo: $(RUN)
	@$(PY) examples/petstore/demo.py

test: $(DEV) programs
	@$(PYTEST)

check: format lint types imports covered

format: $(DEV)
	@$(VENV)/bin/ruff format --check .

lint: $(DEV)
	@$(VENV)/bin/ruff check .

types: $(DEV)
	@$(VENV)/bin/mypy --strict src

imports: $(DEV)
	@$(VENV)/bin/lint-imports --no-cache

covered: $(DEV) programs
	@$(PYTEST) --cov=gatewaykit.core --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

exact: $(DEV) programs
	@GATEWAYKIT_EXACT_RUNS=$${GATEWAYKIT_EXACT_RUNS:-20} GATEWAYKIT_EXACT_SECONDS=$${GATEWAYKIT_EXACT_SECONDS:-10} $(PY) -m pytest -s tests/stores/test_redis_exactness.py

bench: $(DEV) bench-programs
	@$(PY) -m benchmarks

load: $(DEV) bench-programs
	@$(PY) -m benchmarks.load

docs: $(DEV)
	@$(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

defences: $(DEV)
	@$(PY) tools/without_defences.py

cache-tests: $(DEV)
	@$(PY) tools/cache_tests.py $(CACHE_TESTS)

fuzz: $(DEV)
	@GATEWAYKIT_FUZZ_EXAMPLES=$${GATEWAYKIT_FUZZ_EXAMPLES:-100000} $(PYTEST) --timeout 0 -m hypothesis

clean:
	rm -rf $(VENV) build dist docs/_build htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

programs: $(DEV)
	@tools/need_debian.sh $$($(PY) tests/needs.py)

bench-programs: $(DEV)
	@tools/need_debian.sh $$($(PY) tests/needs.py nginx caddy curl redis-server wrk)

$(RUN): pyproject.toml
	@tools/make_venv.sh $(VENV)
	@touch $@

$(DEV): pyproject.toml
	@tools/make_venv.sh $(VENV) dev
	@touch $(RUN) $@
