# Everything here needs Python 3.10 or newer with venv, and make; the rest is fetched into $(VENV).
#
#   make demo     serve the example application      make demo BIND=127.0.0.1:9000
#   make test     run the tests                      make test ARGS="-k presence -x"
#   make coverage the tests, and what they leave out
#   make lint     ruff            make types   mypy
#   make docs     build docs/     make bench   run benchmarks/
#   make clean    remove all that was made

PYTHON ?= python3
VENV ?= .venv
BIND ?= 127.0.0.1:8000
ARGS ?=

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
METADATA = pyproject.toml setup.py requirements.txt
NODE = tests/conformance

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test coverage lint types docs bench clean node_modules

help:
	@sed -n '3,8s/^# *//p' Makefile

demo: $(VENV)/demo.stamp
	@echo "The example application is at http://$(BIND) (Ctrl-C stops it)"
	@exec $(BIN)/gunicorn -k gevent -w 1 -b "$(BIND)" "example_app:create_app()"

test: $(VENV)/develop.stamp node_modules
	$(BIN)/python -m pytest $(ARGS)

# Not pytest --cov: the package's own pytest plugin is imported before that begins to count.
coverage: $(VENV)/develop.stamp node_modules
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage report

lint: $(VENV)/develop.stamp
	$(BIN)/ruff check .

types: $(VENV)/develop.stamp
	$(BIN)/mypy

docs: $(VENV)/docs.stamp
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# Needs no virtualenv: it makes one for each kind of server that it compares.
bench:
	@$(PYTHON) -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) $(NODE)/node_modules build dist *.egg-info docs/_build htmlcov .coverage .coverage.* \
		.mypy_cache .pytest_cache .ruff_cache .tox \
		benchmarks/.build benchmarks/.venvs benchmarks/results benchmarks/apps/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is younger than what it was installed from.
$(VENV)/demo.stamp: $(METADATA) | $(BIN)/pip
	$(PIP) install --quiet -r requirements.txt
	@touch $@

$(VENV)/develop.stamp: $(METADATA) | $(BIN)/pip
	$(PIP) install --quiet -e ".[tests,lint]"
	@touch $@

$(VENV)/docs.stamp: $(METADATA) | $(BIN)/pip
	$(PIP) install --quiet -e ".[docs]"
	@touch $@

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

# The JavaScript clients are wanted, not needed: their tests say why they are skipped.
node_modules: $(NODE)/node_modules/.package-lock.json ;

$(NODE)/node_modules/.package-lock.json: $(NODE)/package.json $(NODE)/package-lock.json
	@if ! command -v npm >/dev/null; then \
		echo "npm is not installed: the tests with JavaScript clients will be skipped"; \
	elif cd $(NODE) && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error \
		--fetch-retries=2 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000; then \
		touch node_modules/.package-lock.json; \
	else \
		echo "npm could not install $(NODE): the tests with JavaScript clients will be skipped"; \
	fi
