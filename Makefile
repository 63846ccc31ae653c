# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` prepare what they need; see README.md.

# Rerun needs NumPy 2: beside a sourced ROS 2, whose NumPy stays, it is left out.
RERUN = $(if $(ROS_DISTRO),,rerun)
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)

.PHONY: setup setup-dev demo test lint bench docs clean

setup:  ## ROS 2, the interfaces and what the nodes need, in .venv
	@$(PYTHON) tools/prepare.py

setup-dev:  ## the same, and what training, simulation, annotation and tests need
	@$(PYTHON) tools/prepare.py train sim annotate cluster label hub view $(RERUN) test

demo: setup  ## a recording over DDS into the online nodes, results in out/demo
	@.venv/bin/m2r2 demo --out out/demo

# Three on two cores: one runs the tests over DDS, which mostly wait, and two compute meanwhile.
test: setup-dev lint
	@.venv/bin/python -m pytest -n 3 --no-loadscope-reorder $(PYTEST_ARGS)

lint: setup-dev
	@.venv/bin/ruff check .

bench: setup  ## fails where a goal of m2r2_ros/benchmarks/goals.yaml is missed
	@.venv/bin/m2r2 bench --json out/bench.json

docs:  ## the documentation site, in out/site
	@$(PYTHON) tools/prepare.py docs
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. .venv/bin/python -m mkdocs build --strict --quiet
	@echo "open out/site/index.html, or with its search: python3 -m http.server -b 127.0.0.1 -d out/site"

clean:  ## all that make has made, .venv and out too
	rm -rf .venv out build install log .prepare.lock m2r2_ros.egg-info
