# The front door. Settings (.env.example lists them) may be given here too: make up PRODUCER_RATE=300
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
LOCAL := $(PYTHON) -m local
TEST := .local/install/venv-test/bin/python
SERVICES ?=
S ?=
ARGS ?=
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

.PHONY: rebuild
rebuild: ## Recompute MySQL from Cassandra
	@$(LOCAL) rebuild $(ARGS)

.PHONY: preflight
preflight: ## Look for what is missing on this machine; as root, install missing system packages
	@$(LOCAL) preflight

##@ Develop

# $(call stage,name,command): runs the command and says how long it took
stage = @printf '\n== %s\n' '$(1)'; TIMEFORMAT='== $(1): %1lR'; time { $(2); }

# Two files at a time, each worker with servers of its own.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
LONGEST_FIRST := tests/integration/test_exactness.py tests/integration

.PHONY: test
# Servers live for minutes here: Java's second compiler would take more time than it saves.
test: export JAVA_TOOL_OPTIONS := -XX:TieredStopAtLevel=1
test: ## Lint, unit tests, integration and browser tests on real services of their own
	$(call stage,install,$(LOCAL) preflight --for-tests && $(LOCAL) install --all)
	$(call stage,lint,$(MAKE) lint)
	$(call stage,unit,$(TEST) -m pytest -q $(SIDE_BY_SIDE) tests/unit)
	$(call stage,integration,$(TEST) -m pytest -q $(SIDE_BY_SIDE) $(LONGEST_FIRST))
	$(call stage,browser,$(TEST) -m pytest -q -m browser)

.PHONY: test-compose
test-compose: ## Build the images, and test the stack in containers of its own
	$(call stage,install,$(LOCAL) install venv-test)
	$(call stage,images,docker compose build --quiet)
	$(call stage,compose,$(TEST) -m pytest -q -m compose)
	$(call stage,servers in containers,RUNTIME=compose $(TEST) -m pytest -q tests/integration/test_stores.py)

.PHONY: lint
lint: ## Check style, format, Dockerfiles and docker-compose.yml
	@$(TEST) -m ruff check .
	@$(TEST) -m ruff format --check .
	@$(dir $(TEST))hadolint */Dockerfile
	@$(dir $(TEST))compose-lint check --quiet --fail-on low --skip-suppressed docker-compose.yml

.PHONY: format
format: ## Mend style and format
	@$(TEST) -m ruff check --fix .
	@$(TEST) -m ruff format .

.PHONY: bench
bench: ## Measure events a second end to end, on a stack of its own
	@$(LOCAL) install venv-test
	@$(TEST) -m bench $(ARGS)

.PHONY: screenshots
screenshots: ## Take the README's picture of the running dashboard
	@$(LOCAL) install venv-test
	@$(TEST) -m tests.browser.screenshot

.PHONY: lock
lock: ## Resolve requirements/*.in anew into hashed locks
	@$(LOCAL) lock

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
