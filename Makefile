# make demo      see it work: on this machine, in one process, in its own folder
# make test      lint, types and the whole test suite
# make chaos     a minute and more of kills at random (CHAOS_SECONDS, CHAOS_SEED)
# make compose-test  the image built, docker-compose.yml brought up, used and taken down (with Docker, or root on Debian)
# make lint types bench fmt clean
#
# Beforehand it takes make and Python 3.11 to 3.15 with venv (Debian, Ubuntu: python3-venv), no more
# (PYTHON=/path/to/python picks one). A C compiler is used where there is one (CC=/path/to/cc picks one).

SHELL := /bin/sh
PY := .venv/bin/python
export PYTHON

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test chaos compose-test lint types bench fmt clean runtime dev peers tools

help:
	@sed -n -e '/^#/!q' -e 's/^# *//p' Makefile

demo: runtime
	@exec $(PY) -m rowmill demo

# pytest comes last: its summary is what the last lines say. Most tests wait more than they compute, so some run at once.
test: dev tools lint types
	@exec $(PY) -m pytest -n $${TEST_PROCESSES:-3} --dist loadfile

chaos: dev tools
	@CHAOS_SECONDS=$${CHAOS_SECONDS:-75} exec $(PY) -m pytest -s tests/amqp/test_chaos.py

compose-test: dev
	@exec sh .ci/compose-test

lint: dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@.venv/bin/hadolint Dockerfile
	@$(PY) -m check_jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@sh .ci/page/check

types: dev
	@$(PY) -m mypy

bench: peers tools
	@for script in $$(grep -lE "^(asyncio.run|main)\(|__main__" benchmarks/*.py | grep -v /made.py); do echo "== $$script"; $(PY) "$$script" || exit 1; done

fmt: dev
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

# rowmill-data stays: jobs and results are nobody's build products.
clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis
	rm -f consumer/native/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

runtime:
	@sh .ci/environment requirements.lock

dev:
	@sh .ci/environment requirements-dev.lock

peers:
	@sh .ci/environment requirements-bench.lock

tools:
	@sh .ci/tools
