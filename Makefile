PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test test-dialects check clean

$(VENV)/.installed: pyproject.toml constraints.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e . -r requirements-dev.txt
	touch $@

demo: $(VENV)/.installed
	$(BIN)/agentmeter demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

test-dialects: $(VENV)/.installed
	$(BIN)/python -m tests.dialects.run

check: $(VENV)/.installed
	$(BIN)/ruff check src integrations tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV)
