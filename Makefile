# The front door. Settings (docs/settings.md) may be given here too: make up PRODUCER_RATE=300
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
LOCAL := $(PYTHON) -m local
TEST := .local/install/venv-test/bin/python
SERVICES ?=
S ?=
ARGS ?=
TO ?=
FROM ?=
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help

##@ Run

.PHONY: up
up: ## Install what is missing, start everything, end with the dashboard's address (SERVICES=kafka,mysql for a part)
	@$(LOCAL) up $(if $(SERVICES),--services $(SERVICES))

.PHONY: down
down: ## Stop everything and keep the data
	@$(LOCAL) down

.PHONY: restart
restart: ## Restart services: make restart S=spark
	@$(LOCAL) restart $(or $(S),$(error say which: make restart S=spark))

.PHONY: status
status: ## Services with state, memory and address, and the pipeline's figures
	@$(LOCAL) status

.PHONY: logs
logs: ## Follow one log: make logs S=kafka
	@$(LOCAL) logs $(or $(S),$(error say which: make logs S=kafka))

.PHONY: clean
clean: ## Stop everything and remove the data
	@$(LOCAL) clean

.PHONY: distclean
distclean: clean ## Remove the installed environments, jars and MySQL too
	rm -rf .local/install

##@ Look and mend

.PHONY: verify
verify: ## Prove that ledger, Cassandra and MySQL agree, to the cent
	@$(LOCAL) verify $(ARGS)

.PHONY: events
events: ## Read raw events back from Cassandra: make events ARGS=--help
	@$(LOCAL) events $(ARGS)

.PHONY: report
report: ## A page of figures that needs no network: make report ARGS="market --symbol ETHUSDT --step 1h --to FILE"
	@$(LOCAL) report $(ARGS)

.PHONY: incident
incident: ## Let something fail for a while: make incident ARGS="--country BR --minutes 10", or ARGS=--stop
	@$(LOCAL) incident $(ARGS)

.PHONY: rebuild
rebuild: ## Recompute MySQL from Cassandra
	@$(LOCAL) rebuild $(ARGS)

.PHONY: replay
replay: ## Validate dead letters anew, after the contract or the code was mended: good ones count, once
	@$(LOCAL) replay

.PHONY: backup
backup: ## Stop for a minute and copy all data as of one moment: make backup TO=/mnt/backups/monday
	@$(LOCAL) backup $(TO)

.PHONY: restore
restore: ## Put a backup's data in the place of the stack's: make restore FROM=/mnt/backups/monday
	@$(LOCAL) restore $(or $(FROM),$(error say from where: make restore FROM=.local/backups/...))

.PHONY: preflight
preflight: ## Look for what is missing on this machine; as root, install missing system packages
	@$(LOCAL) preflight $(ARGS)

##@ Develop

# $(call stage,name,command): runs the command and says how long it took
stage = @printf '\n== %s\n' '$(1)'; TIMEFORMAT='== $(1): %1lR'; time { $(2); }

# Two files at a time, each worker with servers of its own.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
QUICK := and not long
# The longest first; then those that share one Spark; then the rest.
IN_ORDER := $(patsubst %,tests/integration/test_%.py,exactness bad_input query_progress rebuild) tests/integration

.PHONY: test
# Servers live for minutes here: Java's second compiler would take more time than it saves.
test: export JAVA_TOOL_OPTIONS := -XX:TieredStopAtLevel=1
test: ## Lint, unit tests, integration and browser tests on real services of their own
	$(call stage,install,$(LOCAL) preflight --for-tests && $(LOCAL) install --all)
	$(call stage,lint,$(MAKE) lint)
	$(call stage,unit,$(TEST) -m pytest -q $(SIDE_BY_SIDE) -m "not month $(QUICK)" tests/unit)
	$(call stage,integration,$(TEST) -m pytest -q $(SIDE_BY_SIDE) -m "integration $(QUICK)" $(IN_ORDER))
	$(call stage,browser,$(TEST) -m pytest -q -m "browser $(QUICK)")

.PHONY: test-all
test-all: ## The same with what takes long: backups, every filter of every dashboard, alerts, open tabs, embedding
	@$(MAKE) test QUICK=

.PHONY: test-compose-short
test-compose-short: ## Build the images; a stack of containers: exact through a kill of Spark, and its rights
	$(call stage,install,$(LOCAL) install venv-test)
	$(call stage,images,docker compose build --quiet)
	$(call stage,compose,$(TEST) -m pytest -q -m "compose and not long")

.PHONY: test-compose
test-compose: ## The same with all its tests: down and up, backup, replay, a Spark cluster, servers alone in containers
	$(call stage,install,$(LOCAL) install venv-test)
	$(call stage,images,docker compose build --quiet)
	$(call stage,compose,$(TEST) -m pytest -q -m compose)
	$(call stage,servers in containers,RUNTIME=compose $(TEST) -m pytest -q tests/integration/test_stores.py)

.PHONY: test-month
test-month: ## Measure dashboards, verify and the making of hours on a stack that is a month old
	$(call stage,install,$(LOCAL) preflight --for-tests && $(LOCAL) install --all)
	$(call stage,month,$(TEST) -m pytest -q -m month --log-cli-level=INFO)

.PHONY: chaos
chaos: ## Let 100 real faults happen while a shop sends 5 million events, and prove after each that all is exact
	$(call stage,install,$(LOCAL) preflight --for-chaos && $(LOCAL) install --all)
	$(call stage,chaos,$(TEST) -m chaos $(ARGS))

.PHONY: fuzz
fuzz: ## Validate a million damaged records
	@$(LOCAL) install venv-test
	@$(TEST) -m chaos.fuzz $(ARGS)

.PHONY: lint
lint: ## Check style, format, security, Dockerfiles and docker-compose.yml
	@$(TEST) -m ruff check .
	@$(TEST) -m ruff format --check .
	@$(TEST) -m bandit --quiet --recursive --configfile pyproject.toml .
	@$(dir $(TEST))hadolint */Dockerfile
	@$(dir $(TEST))compose-lint check --quiet --fail-on low --skip-suppressed docker-compose.yml

.PHONY: audit-dependencies
audit-dependencies: ## Look up what is locked among the known vulnerabilities (needs PyPI itself, not a mirror)
	@$(LOCAL) install venv-test
	@$(TEST) -m local.vulnerabilities $(ARGS)

.PHONY: format
format: ## Mend style and format
	@$(TEST) -m ruff check --fix .
	@$(TEST) -m ruff format .

.PHONY: bench
bench: ## Measure rates, costs and latencies beside what people write first, on stacks of their own
	@$(LOCAL) install --all
	@$(TEST) -m bench $(ARGS)

.PHONY: bench-domains
bench-domains: ## Measure what a second domain beside the first takes, on stacks of their own
	@$(LOCAL) install --all
	@$(TEST) -m bench.domains

.PHONY: bench-settings
bench-settings: ## Measure what other values of the settings would give, on stacks of their own
	@$(LOCAL) install venv-test
	@$(TEST) -m bench.sweep $(ARGS)

.PHONY: soak
soak: ## Watch memory, disk and latency of a busy shop for an hour, on a stack of its own
	@$(LOCAL) install venv-test
	@$(TEST) -m bench.soak $(ARGS)

.PHONY: screenshots
screenshots: ## Take the pictures of the dashboards for the docs, of a seeded shop on a stack of its own
	@$(LOCAL) install venv-test
	@$(TEST) -m tests.browser.screenshots $(ARGS)

.PHONY: lock
lock: ## Resolve requirements/*.in anew into hashed locks
	@$(LOCAL) lock

.PHONY: settings
settings: ## Write .env.example and docs/settings.md anew, from settings.py
	@$(LOCAL) settings

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
