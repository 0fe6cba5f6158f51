# Aliases of tasks.py, which works where there is no make: `python tasks.py demo`.
# More words for the verb: make test ARGS="tests/test_make.py -k Enum"
PYTHON ?= python3
ARGS ?=

.PHONY: help demo dev test test-full lint docs

help:
	@$(PYTHON) tasks.py

demo dev test test-full lint docs:
	@$(PYTHON) tasks.py $@ $(ARGS)
