# PonyMQ. "make run" starts the broker, "make test" runs every check; each sets up what it needs first.
#
# Two builds of the same sources: .venv holds the interpreted one (an editable install), build/compiled the one that
# mypyc made, used through PYTHONPATH. Extensions never lie inside broker/: a stale one would shadow an edited source.

VENV := .venv
PYTHON := $(VENV)/bin/python
COMPILED := $(CURDIR)/build/compiled
USE_COMPILED := PYTHONPATH=$(COMPILED) PONYMQ_EXPECT_COMPILED=1
# All rooms are one extension module, but its functions are exported like a library's, and what anybody might replace is
# neither inlined nor called directly: a tenth more instructions per message.
INLINING := -fvisibility=hidden
ARGS ?=

MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help run test check format-check format lint types layers test-interpreted test-compiled smoke console-test referee bench hygiene fuzz compile clean FORCE
.SUFFIXES:
.DELETE_ON_ERROR:

# True if this machine can build an extension module: a C compiler, and Python's own headers beside it.
CAN_COMPILE = cc=$$($(PYTHON) -c 'import os, sysconfig; print(os.environ.get("CC") or sysconfig.get_config_var("CC") \
	or "cc", "-I" + sysconfig.get_paths()["include"])') \
	&& printf '\043include <Python.h>\n\043include <stdlib.h>\n' | $$cc -fsyntax-only -x c - 2>/dev/null
NO_COMPILER = no C compiler with Python's headers here (Debian: apt install gcc libc6-dev python3-dev)

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F '|' '{ printf "%-24s%s\n", $$1, $$2 }'

run: $(VENV)/.installed  ## start the broker on 5672, 15672 and 15692, its log in ./data (ARGS="--port 5673" adds flags)
	@if $(CAN_COMPILE); then \
	    $(MAKE) compile && PYTHONPATH=$(COMPILED) exec $(VENV)/bin/ponymq $(ARGS); \
	else \
	    echo "ponymq: $(NO_COMPILER): running interpreted, which is slower" >&2; \
	    exec $(VENV)/bin/ponymq $(ARGS); \
	fi

# The interpreted tests and the compiler take a core each, so they run beside one another.
test: $(VENV)/.installed  ## every check: format, lint, types, layers, both builds, real clients
	@$(MAKE) check
	@$(MAKE) $(VENV)/.tests-installed $(VENV)/.compiler-installed
	@if $(CAN_COMPILE); then \
	    $(MAKE) --jobs=2 test-interpreted compile && $(MAKE) test-compiled; \
	else \
	    $(MAKE) test-interpreted && echo "make test: $(NO_COMPILER): the compiled build is NOT tested" >&2; \
	fi
	@$(MAKE) smoke

check: format-check lint types layers  ## the fast checks only

format-check: $(VENV)/.checks-installed
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.checks-installed  ## rewrite the sources in the house format
	$(VENV)/bin/ruff format .

lint: $(VENV)/.checks-installed
	$(VENV)/bin/ruff check .

types: $(VENV)/.checks-installed
	$(VENV)/bin/mypy

layers: $(VENV)/.checks-installed
	$(VENV)/bin/lint-imports

# "pytest", not "python -m pytest": the latter puts the current directory, hence the sources, before the compiled build.
test-interpreted: $(VENV)/.tests-installed  ## the tests on the interpreted build
	env -u PYTHONPATH $(VENV)/bin/pytest

test-compiled: $(VENV)/.tests-installed compile  ## the tests on the compiled build
	$(USE_COMPILED) $(VENV)/bin/pytest -m "not interpreted_only"

smoke: $(VENV)/.tests-installed  ## a short run of real clients against a broker of the fastest build there is
	@if $(CAN_COMPILE); then \
	    $(MAKE) compile && $(USE_COMPILED) $(VENV)/bin/pytest conformance -m smoke; \
	else \
	    env -u PYTHONPATH $(VENV)/bin/pytest conformance -m smoke; \
	fi

BENCH_WORDS := only brokers rounds count
console-test: $(VENV)/.console-installed  ## the web console in Chromium, screenshots in build/screenshots (Debian: apt install chromium)
	@command -v chromium >/dev/null || { echo "make console-test: no Chromium here (Debian: apt install chromium)" >&2; exit 1; }
	env -u PYTHONPATH $(VENV)/bin/pytest conformance/console

referee: $(VENV)/.tests-installed  ## the real-client tests against RabbitMQ, which says whether they expect the right thing
	@command -v rabbitmq-server >/dev/null || [ -x /usr/sbin/rabbitmq-server ] \
	    || { echo "make referee: no RabbitMQ here (Debian: apt install rabbitmq-server)" >&2; exit 1; }
	env -u PYTHONPATH $(VENV)/bin/pytest conformance --broker rabbitmq

bench: $(VENV)/.bench-installed  ## compare with RabbitMQ and LavinMQ, rewrite the table in benchmarks/ (only=steady for one scenario)
	@if $(CAN_COMPILE); then \
	    $(MAKE) compile; \
	else \
	    echo "make bench: $(NO_COMPILER): the compiled build is NOT measured" >&2; \
	fi
	@env -u PYTHONPATH $(PYTHON) -m benchmarks $(foreach word,$(BENCH_WORDS),$(if $($(word)),--$(word) $($(word))))

hygiene: $(VENV)/.compiler-installed  ## say where mypyc falls back to generic code on the message path
	@env -u PYTHONPATH $(PYTHON) -m benchmarks.hygiene

# The sources' directory behind the compiled package: there is "fuzz", and "broker" must not be found there.
FUZZ_WORDS := only inputs seed processes
fuzz: $(VENV)/.tests-installed  ## say to a broker what nobody should say (inputs=1000000 only=http seed=2)
	@if $(CAN_COMPILE); then \
	    $(MAKE) compile; \
	else \
	    echo "make fuzz: $(NO_COMPILER): the compiled build is NOT tried" >&2; \
	fi
	@PYTHONSAFEPATH=1 PYTHONPATH=$(COMPILED):$(CURDIR) $(PYTHON) -m fuzz \
	    $(foreach word,$(FUZZ_WORDS),$(if $($(word)),--$(word) $($(word))))

compile: $(COMPILED)/.stamp  ## build the compiled package in build/compiled
	@cp -R broker/management/console $(COMPILED)/broker/management/  # plain files: no reason to compile anew

clean:  ## remove builds and caches; .venv and data stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find broker tests conformance benchmarks fuzz -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up, each step once ------------------------------------------------------------------------------------------

# Newest first, and each is tried by running it: a pyenv shim exists for versions that it then refuses to start.
$(VENV)/.python:
	@if ! $(PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	        if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$name; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then echo "ponymq: needs Python 3.11 or later, found none" >&2; exit 1; fi; \
	    if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
	        echo "ponymq: $$found cannot make virtual environments (Debian: apt install python3-venv)" >&2; exit 1; \
	    fi; \
	    echo "making $(VENV) with $$($$found --version)"; \
	    $$found -m venv --clear $(VENV); \
	fi
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed: pyproject.toml broker/__init__.py $(VENV)/.python
	@echo "installing PonyMQ's libraries"
	@$(PYTHON) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.compiler-installed: $(VENV)/.installed
	@echo "installing mypyc"
	@$(PYTHON) -m pip install --quiet --group compile
	@touch $@

$(VENV)/.checks-installed: $(VENV)/.installed
	@echo "installing the checks"
	@$(PYTHON) -m pip install --quiet --group check
	@touch $@

$(VENV)/.tests-installed: $(VENV)/.installed
	@echo "installing the test tools"
	@$(PYTHON) -m pip install --quiet --group test
	@touch $@

$(VENV)/.console-installed: $(VENV)/.tests-installed
	@echo "installing Playwright"
	@$(PYTHON) -m pip install --quiet --group console
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.installed
	@echo "installing what the benchmarks need"
	@$(PYTHON) -m pip install --quiet --group bench
	@touch $@

# Contents, not times: a fresh checkout or a changed branch with the same sources needs no second compilation.
build/sources: $(VENV)/.installed FORCE
	@mkdir -p build
	@{ $(PYTHON) -VV; cksum pyproject.toml; find broker -name '*.py' -type f | LC_ALL=C sort | xargs cksum; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# In a copy, because mypyc writes its extensions beside the sources. The empty mypy.ini keeps mypy from finding
# pyproject.toml further up: what the type checker thinks of the style is said by "make types". Exchanged at the end, so
# that a failed build leaves the last good one.
$(COMPILED)/.stamp: build/sources $(VENV)/.compiler-installed
	@echo "compiling with mypyc"
	@rm -rf build/source build/wheel $(COMPILED).new
	@mkdir -p build/source build/wheel
	@cp -R broker pyproject.toml README.md build/source/
	@find build/source -name '*.so' -exec rm {} +
	@echo '[mypy]' > build/source/mypy.ini
	@cd build/source && said=$$(CFLAGS="$(INLINING) $$CFLAGS" HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(CURDIR)/$(PYTHON) -m hatchling build -t wheel -d ../wheel 2>&1) \
	    || { echo "$$said" >&2; exit 1; }
	@$(PYTHON) -m zipfile -e build/wheel/*.whl $(COMPILED).new
	@touch $(COMPILED).new/.stamp
	@rm -rf $(COMPILED) && mv $(COMPILED).new $(COMPILED)
