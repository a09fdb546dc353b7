# These commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo   sets up, then walks from a policy file to recovered disks in the lab
#   make demo-powershell   the same, but PowerShell 7 ($PWSH or on the PATH) runs the agent's module
#   make test   sets up, then runs every test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: setup demo demo-powershell test check schema lock bench fuzz azurite kerberos clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/01-first-backup/demo.py

demo-powershell: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(if $(findstring /,$(PWSH)),PWSH="$(abspath $(PWSH))") $(BIN)/python examples/01-first-backup/demo.py --engine powershell

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schema: $(READY)
	$(BIN)/reconciler schema

lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
	printf 'gssapi\nkrb5\n' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements-kerberos.lock
	printf 'cython==3.3.0\nsetuptools\nwheel\n' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --allow-unsafe --quiet --output-file requirements-kerberos-build.lock

bench: $(READY)
	$(BIN)/python -m tests.benchmarks.install_peers
	test -e .bench/disk.raw || $(BIN)/python -m tests.benchmarks.make_disk .bench/disk.raw
	$(BIN)/python -m tests.benchmarks.engine .bench/disk.raw
	$(BIN)/python -m tests.benchmarks.scale --work .bench
	$(BIN)/python -m tests.benchmarks.many_points --work .bench
	$(BIN)/python -m tests.benchmarks.page_files --work .bench
	$(BIN)/python -m tests.benchmarks.smb

FUZZ_CASES ?= 20000

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz.disk_files --cases $(FUZZ_CASES)

# The extra 'kerberos': compiled, because its packages have no wheels for Linux. It needs a compiler
# and libkrb5-dev (Debian's name) here, and takes a minute or two; without it all else works.
kerberos: $(READY) .kerberos/wheels/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --find-links .kerberos/wheels gssapi krb5 decorator

.kerberos/wheels/ready: requirements-kerberos.lock requirements-kerberos-build.lock
	test -x .kerberos/venv/bin/python || $(PYTHON) -m venv .kerberos/venv
	.kerberos/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-kerberos-build.lock
	.kerberos/venv/bin/python -m pip wheel --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation --wheel-dir .kerberos/wheels -r requirements-kerberos.lock
	touch $@

# The emulator of Azure Blob that tests keep a repository on; without it those are skipped.
azurite: .azurite/node_modules/.bin/azurite-blob

.azurite/node_modules/.bin/azurite-blob:
	mkdir -p .azurite
	npm install --prefix .azurite --no-save --ignore-scripts --no-audit --no-fund --loglevel=error azurite@3.37.0

clean:
	rm -rf $(VENV) .azurite .kerberos .demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
