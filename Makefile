# Two commands for a newcomer: `make run` and `make test`. Everything lands in .venv; nothing else is touched.
PYTHON ?= python3
PORT ?= 8000
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test check faults fuzz

help:
	@echo "make run      install, start the service on 127.0.0.1:$(PORT) (PORT=...) and watch it learn digits"
	@echo "make test     install and run the tests in two processes (WORKERS=...)"
	@echo "make check    format, lint, types, import rules, migrations"
	@echo "make faults   kill and break services for real, and write what came of it into docs/reliability.md"
	@echo "make fuzz     send them what nobody should"
	@echo "make install  only create $(VENV) (PYTHON=... picks the interpreter, 3.11 or newer)"

install: $(INSTALLED)

# The stamp is younger than what decides the installation, so nothing is repeated until that changes.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("kshot needs Python 3.11 or newer; choose one with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[photos,text,otel,train,bench,dev]'
	@touch $@

run: $(INSTALLED)
	@$(BIN)/kshot serve --port $(PORT) --demo

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m service.storage.migrate check

# Each command stops at the first fault, and writes its counts into the page.
faults: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.kills --results docs/reliability.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.replicas --results docs/reliability.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.rolling --results docs/reliability.md

fuzz: $(INSTALLED)
