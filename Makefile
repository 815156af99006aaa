# What a person types. Each target says what it does while it does it.

PYTHON ?= python3
ARGS ?=

PACKAGES = assistants threads runs skeino_site examples bench tests
RUN = .venv/bin/python
# Modules are compiled when they are first imported, so most never.
INSTALL = $(RUN) -m pip --quiet --disable-pip-version-check --no-input install --no-compile -c constraints.txt

.DEFAULT_GOAL = help
.PHONY: serve test faults bench bench-quick bench-growth screenshots lint format constraints clean help

serve: .venv/.runtime  ## Set everything up if need be, and run the server; ARGS are those of `manage.py serve`
	@exec $(RUN) manage.py serve $(ARGS)

test: .venv/.development  ## Run the tests; ARGS go to pytest, as in make test ARGS="-k threads"
	@exec $(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

faults: .venv/.development  ## Kill, stop and restart processes and Postgres under load, at full length: some ten minutes
	@FAULTS=full exec $(RUN) -m pytest --timeout 1800 tests/faults $(ARGS)

bench: .venv/.development  ## Measure the server beside LangGraph bare, with ratios; ARGS="--help" tells more
	@exec $(RUN) -m bench $(ARGS)

bench-quick: .venv/.development  ## The same with fewer calls, for a look: a few minutes
	@exec $(RUN) -m bench --quick $(ARGS)

bench-growth: .venv/.development  ## Measure how costs grow; ARGS="--help" tells of what
	@exec $(RUN) -m bench.growth $(ARGS)

screenshots: .venv/.development  ## Make the pictures of docs/admin.md anew, in Chromium, of a server with made-up data
	@exec $(RUN) -m tests.console.screenshots $(ARGS)

lint: .venv/.development  ## Check style, types, known dangers, the direction of imports, migrations and the OpenAPI document
	@echo "ruff"; $(RUN) -m ruff check $(PACKAGES) manage.py
	@echo "ruff format"; $(RUN) -m ruff format --check $(PACKAGES) manage.py
	@echo "bandit"; $(RUN) -m bandit --quiet --configfile pyproject.toml --recursive assistants threads runs skeino_site
	@echo "mypy"; $(RUN) -m mypy $(PACKAGES)
	@echo "import-linter"; .venv/bin/lint-imports --no-cache
	@echo "manage.py check"; $(RUN) manage.py check --fail-level WARNING
	@echo "manage.py makemigrations --check"; $(RUN) manage.py makemigrations --check --dry-run
	@echo "manage.py spectacular"; $(RUN) manage.py spectacular --validate --fail-on-warn --file /dev/null

format: .venv/.development  ## Rewrite the code in its style
	@$(RUN) -m ruff check --fix $(PACKAGES) manage.py
	@$(RUN) -m ruff format $(PACKAGES) manage.py

constraints:  ## Write constraints.txt anew: the newest versions that the requirements allow
	@echo "Installing requirements-dev.txt into an empty environment"
	@rm -rf .venv-constraints; $(PYTHON) -m venv .venv-constraints
	@.venv-constraints/bin/python -m pip --quiet --disable-pip-version-check install -r requirements-dev.txt
	@{ echo "# Exact tested versions, written by \`make constraints\`."; \
	   .venv-constraints/bin/python -m pip freeze --local | grep -E '^[A-Za-z0-9._-]+==[^ ]+$$'; } > constraints.txt
	@rm -rf .venv-constraints
	@echo "Wrote constraints.txt"

clean:  ## Delete the environment and all caches; your database in .data stays
	rm -rf .venv .data/test tests/clients/js/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find $(PACKAGES) -name __pycache__ -prune -exec rm -rf {} +

help:  ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed, and $(PYTHON) is not that. Try: make serve PYTHON=python3.12" >&2; \
	    exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.runtime: .venv/.created requirements.txt constraints.txt
	@echo "Installing requirements.txt into .venv"
	@$(INSTALL) -r requirements.txt
	@touch $@

.venv/.development: .venv/.created requirements.txt requirements-dev.txt constraints.txt
	@echo "Installing requirements-dev.txt into .venv"
	@$(INSTALL) -r requirements-dev.txt
	@touch .venv/.runtime $@
