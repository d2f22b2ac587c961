# The two commands are `make book` and `make test`; both start from a bare clone. `make help` names the others.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PAGES := _build/html
STRICT := -W -n --keep-going

# Two workers with one thread each: threads of their own would fight over the cores.
export OMP_NUM_THREADS ?= 1
PYTEST := $(BIN)/python -m pytest -n 2
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
	--nbval-cell-timeout 300 --dist loadscope

.PHONY: book test chromium lint types unit strict-book nbval test-book
.PHONY: help lab notebooks pdf student grader address release zoo clean

book: $(INSTALLED) ## Build the HTML book; a second run rebuilds only what changed.
	@# After a failure the next build starts afresh, for Sphinx warns about a page only once.
	@$(BIN)/jupyter-book build . $(STRICT) || { rm -rf _build/.doctrees; exit 1; }
	@echo "Open $(CURDIR)/$(PAGES)/index.html in a browser."

test: chromium lint types unit strict-book nbval test-book ## Everything that must hold before a commit.

help: ## What make can do here.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

unit: $(INSTALLED)
	$(PYTEST) tests --ignore tests/test_book.py

strict-book: $(INSTALLED)
	rm -rf _build/html _build/.doctrees
	$(MAKE) book

nbval: $(INSTALLED)
	notebooks=$$($(BIN)/python book/_tools/alone.py) && \
		PYTHONPATH="$(CURDIR)/_build/alone/site" $(PYTEST) $(NBVAL) $$notebooks

test-book: $(INSTALLED)
	$(PYTEST) tests/test_book.py

chromium: $(INSTALLED) ## Get Chromium, where the tests find none.
	$(BIN)/python book/_tools/chromium.py

lab: $(INSTALLED) ## Open the notebooks in JupyterLab.
	$(PIP) -e ".[lab]"
	$(BIN)/jupyter lab --notebook-dir book

notebooks: $(INSTALLED) ## Execute every notebook and store its outputs.
	$(BIN)/python book/_tools/record.py

pdf: chromium book ## The whole book on paper, through the browser's own printing: _build/book.pdf
	$(BIN)/python book/_tools/pdf.py

student: $(INSTALLED) ## The edition for a class, without solutions: _build/student and _build/student.zip
	$(BIN)/python book/_tools/student.py

grader: $(INSTALLED) ## A course for nbgrader, of exercises and solutions: _build/nbgrader
	$(BIN)/python book/_tools/grader.py

address: $(INSTALLED) ## TO=owner/name puts the repository's address wherever it stands.
	$(BIN)/python book/_tools/address.py $(TO)

release: $(INSTALLED) ## Check and test all that a public version needs, and build it: _build/release
	$(BIN)/python book/_tools/release.py check
	$(MAKE) test
	$(BIN)/jupyter-book build . --builder linkcheck
	$(BIN)/python book/_tools/release.py build

zoo: $(INSTALLED) ## Meta-train every rule of the zoo again, from its recipe; needs CIFAR-10 and all of MNIST.
	$(BIN)/l2l train --resume $$($(BIN)/python -c "import l2l_lite as l2l; print(*l2l.zoo.names())")
	$(BIN)/l2l features
	cp runs/*.safetensors runs/*.json l2l_lite/zoo/

$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (some minutes the first time) ..."
	$(PIP) -e ".[book,test]"
	@touch $@

clean: ## Remove what was built; the environment .venv stays.
	rm -rf _build .mypy_cache .pytest_cache .ruff_cache .hypothesis
