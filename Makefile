# Set-up and checks. Each target alone works on a machine with Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Tests run side by side, a file of them on each core, in the order of `testpaths`: the longest files begin.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast lint format docs bench clean

demo: $(VENV)/.installed
	$(BIN)/lookalike demo

test: lint
	$(BIN)/python -m pytest $(PARALLEL)

test-fast: lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site opens by a double click on site/index.html: nothing in it is fetched from elsewhere.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -d $(VENV)/doctrees docs site
	@echo "site/index.html"

# Benchmarks that need no data of yours; run nothing else meanwhile. docs/how-to/benchmarks.md has the others.
bench: $(VENV)/.tools
	for name in nt_xent kmeans search scaling gpu; do $(BIN)/python benchmarks/$$name.py || exit 1; done

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lookalike needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e .
	touch $@

# torchvision and timm are optional, and of torchvision the pure-Python part suffices, so they come without
# their dependencies (torchvision would insist on one release of torch).
$(VENV)/.tools: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev,docs]'
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt --no-deps torchvision timm
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) runs site docs/reference .mypy_cache .pytest_cache .ruff_cache
