PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
FOCUS_PYTHON ?= python3.12
FOCUS = .venvs/focus

CHROMIUM ?= chromium

.PHONY: demo page test test-clickhouse test-dialects test-integrations test-focus test-grafana test-page check clean

$(VENV)/.installed: pyproject.toml constraints.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e . -r requirements-dev.txt
	touch $@

demo: $(VENV)/.installed
	$(BIN)/agentmeter demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2

test-dialects: $(VENV)/.installed
	$(BIN)/python -m tests.dialects.run

test-clickhouse: $(VENV)/.installed
	$(BIN)/python -m tests.clickhouse.run

test-integrations: $(VENV)/.installed
	$(BIN)/python -m tests.integrations.run

$(FOCUS)/.installed: tests/render/focus-validator.txt
	$(FOCUS_PYTHON) -m venv $(FOCUS)
	$(FOCUS)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

test-focus: $(VENV)/.installed $(FOCUS)/.installed
	$(BIN)/python -m pytest -rs tests/render/test_focus_validator.py

test-grafana: $(VENV)/.installed
	$(BIN)/python -m tests.clickhouse.run tests/clickhouse/test_grafana.py

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

page: web/node_modules/.installed
	cd web && npm run check && npm run build

test-page: $(VENV)/.installed web/node_modules/.installed
	command -v $(CHROMIUM) || (apt-get update && apt-get install -y chromium)
	$(BIN)/python -m pytest -rs tests/render

check: $(VENV)/.installed
	$(BIN)/ruff check src integrations tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

clean:
	rm -rf $(VENV)
