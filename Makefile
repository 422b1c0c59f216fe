# The two commands are `make demo` and `make test`; `make help` lists the rest.
PORT ?= 8000
export PORT
PYTHON_VENV := .venv/bin/python
# Extra arguments for pytest, for example: make test-sqlite ARGS="-k undo"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo run setup test lint types format test-sqlite test-postgres test-ray test-browser test-models test-long bench-peers runtime messages wheel backup restore

help:  ## what there is
	@awk -F ':.*## ' '/^[a-z-]+( [a-z-]+)*:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: runtime  ## two projects on real data, accounts for the three roles, web and worker on PORT (8000)
	@exec $(PYTHON_VENV) manage.py demo

run: runtime  ## the same without the demo, for data of your own
	@exec $(PYTHON_VENV) manage.py run

setup:  ## .venv with all that demo, run and test need
	@scripts/setup.sh requirements-dev.txt

backup: runtime  ## database and files into the new folder TO, while people work
	@exec $(PYTHON_VENV) manage.py backup "$(TO)"

restore: runtime  ## the backup in the folder FROM into an empty database and a new DATA_DIR
	@exec $(PYTHON_VENV) manage.py restore "$(FROM)"

test:  ## every check: style, types, layers, migrations, tests in short on SQLite and PostgreSQL and in a browser
	@scripts/system-packages.sh & system=$$!; scripts/setup.sh requirements-dev.txt; set_up=$$?; wait $$system && exit $$set_up
	@exec $(PYTHON_VENV) scripts/check.py

# One check for daily work; scripts/check.py says what each runs.
lint types test-sqlite test-postgres test-ray test-browser test-models: setup
	@exec $(PYTHON_VENV) scripts/check.py $@ $(ARGS)

test-long: setup  ## all tests with all their cases, before a release
	@scripts/system-packages.sh
	@exec $(PYTHON_VENV) scripts/check.py $@ $(ARGS)

bench-peers: setup  ## Label Studio from PyPI beside this, in one run; ARGS=--help tells the options
	@exec $(PYTHON_VENV) -m benchmarks.peers $(ARGS)

format: setup  ## lay the code out and apply safe fixes
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

messages: setup  ## the translations in locale/, from the texts of the code, and compiled
	@exec $(PYTHON_VENV) scripts/messages.py

wheel: setup  ## dist/marginalia-VERSION-py3-none-any.whl, and that of the client
	@rm -rf build client/build
	@$(PYTHON_VENV) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . ./client

runtime:
	@scripts/setup.sh requirements.txt
