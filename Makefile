# Every target is a line that you could type yourself. `make help` lists them.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
  2>/dev/null && echo $$p && break; done)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
RUN := OMP_NUM_THREADS=1 $(BIN)/python
WORKERS ?= 2
NAME := attention-past-and-present

.DEFAULT_GOAL := help
.PHONY: help book draft serve lab zip test test-fast test-colab browser claims \
  notebooks pictures format bundle clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /: /' | sort

$(VENV)/ready: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found (set PYTHON=...)."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make environments (Debian: apt install python3-venv)."; exit 1; }
	$(BIN)/python -m pip install --quiet --requirement requirements.txt --editable .
	@touch $@

book: $(VENV)/ready ## build the book into book/_build/html
	@$(BIN)/python -m tools.build

draft: $(VENV)/ready ## build what can be built into book/_build/draft
	@$(BIN)/python -m tools.build --draft

book/_build/html/index.html:
	@$(MAKE) --no-print-directory book

serve: book/_build/html/index.html ## serve the built book on 127.0.0.1
	@echo "The book is at http://127.0.0.1:$(PORT)/ (stop with Ctrl-C)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory book/_build/html $(PORT)

lab: $(VENV)/ready ## open JupyterLab on the chapters
	$(BIN)/jupyter lab --notebook-dir=chapters

zip: book ## pack the built book into one archive for offline reading
	@cd book/_build && rm -rf $(NAME) && cp -r html $(NAME) && ../../$(BIN)/python -m zipfile -c ../../$(NAME).zip $(NAME) && rm -r $(NAME)
	@echo "$(NAME).zip: unpack it anywhere and open index.html"

browser: $(VENV)/ready ## find or install a Chromium
	@$(BIN)/python -m tools.browser

test: book browser test-colab ## everything that the project promises
	$(RUN) -m pytest -n $(WORKERS) --dist loadscope --nbval-lax tests chapters

test-fast: $(VENV)/ready ## no notebooks, no browser; under two minutes
	$(RUN) -m pytest -n $(WORKERS) -m "not slow and not browser and not book and not lab and not notebook" tests

.venv-colab/ready: constraints-colab.txt tests/colab/requirements.txt pyproject.toml
	@test -x .venv-colab/bin/python || $(PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install --quiet --constraint constraints-colab.txt --requirement tests/colab/requirements.txt
	.venv-colab/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

test-colab: .venv-colab/ready ## the package and a chapter under Colab's versions
	OMP_NUM_THREADS=1 .venv-colab/bin/python -m pytest --disable-warnings -m "not slow and not browser and not lab" --nbval-lax tests/colab tests/live tests/exercises chapters/idea/soft_addressing.ipynb

claims: $(VENV)/ready ## run every chapter over five seeds; writes book/claims.json
	@$(BIN)/python -m tools.claims

notebooks: $(VENV)/ready ## bring the notebooks into their canonical form
	$(BIN)/python -m tools.notebooks --write

pictures: $(VENV)/ready ## run what changed; store the widgets' pictures in the notebooks
	@$(BIN)/python -m tools.build --run
	$(BIN)/python -m tools.notebooks --pictures

format: notebooks ## format all code
	$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format --quiet .

bundle: ## rebuild the widgets' front end (needs node)
	npm install --no-audit --no-fund && npm run build

clean: ## remove what was built; environments stay
	rm -rf book/_build book/catalog build .cache .pytest_cache .ruff_cache
