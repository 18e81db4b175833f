# Two commands for a newcomer: `make run` and `make test`. Everything lands in .venv; nothing else is touched.
PYTHON ?= python3
PORT ?= 8000
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
RUNNABLE := $(VENV)/.runnable
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test check faults scale fuzz lock container

help:
	@echo "make run      install, start the service on 127.0.0.1:$(PORT) (PORT=...) and watch it learn digits"
	@echo "make test     install and run the tests in two processes (WORKERS=...)"
	@echo "make check    format, lint, types, import rules, migrations"
	@echo "make faults   kill and break services for real, and write what came of it into docs/reliability.md"
	@echo "make scale    the same of a cluster of Ray, which it installs"
	@echo "make fuzz     send them what nobody should"
	@echo "make lock     pin what the image installs, with hashes, by pyproject.toml (UPGRADE=1: the newest there is)"
	@echo "make container  build the image; with PostgreSQL and API keys adapt, ask, stop, start and ask again (Docker)"
	@echo "make install  only create $(VENV), with all that tests need (PYTHON=... picks the interpreter, 3.11 or newer)"

install: $(INSTALLED)

# A stamp is younger than what decides the installation, so nothing is repeated until that changes.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e

$(RUNNABLE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("kshot needs Python 3.11 or newer; choose one with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[photos,text,demo]'
	@touch $@

$(INSTALLED): $(RUNNABLE)
	$(INSTALL) '.[photos,text,demo,otel,train,bench,dev]'
	@touch $@

run: $(RUNNABLE)
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
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.outages --results docs/reliability.md

scale: $(INSTALLED)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[scale]'
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.cluster --results docs/reliability.md

fuzz: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --minutes 10 --cases 150 --kept runs/fuzz.json --results docs/reliability.md

# All but torch, then torch for CUDA with what it needs besides; for CPUs see requirements-cpu.lock. By uv, as pip-tools
# knows one platform at a time.
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile -q --universal --python-version 3.11 \
	--generate-hashes --no-annotate -c constraints.txt $(if $(UPGRADE),--upgrade)
lock: $(INSTALLED)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==0.13.8
	$(COMPILE) --config-file lock.toml --extra photos --extra text --extra otel --no-emit-package torch \
		-o requirements.lock pyproject.toml
	echo torch | $(COMPILE) --no-config -c requirements.lock -o requirements-cuda.lock -

# In a project of its own, which is gone afterwards.
CHECKED := KSHOT_AUTH=on PORT=$(PORT) POSTGRES_PASSWORD=check COMPOSE_PROJECT_NAME=kshot-check
container:
	$(CHECKED) docker compose up --build --wait
	rm -f /tmp/kshot-check.json
	$(CHECKED) tests/e2e/with_key.sh http://127.0.0.1:$(PORT) /tmp/kshot-check.json
	$(CHECKED) docker compose stop
	$(CHECKED) docker compose up --wait
	$(CHECKED) tests/e2e/with_key.sh http://127.0.0.1:$(PORT) /tmp/kshot-check.json
	$(CHECKED) docker compose down --volumes
