# One command checks everything: `make check`. It needs the venv of the README's second command, or PYTHON=….
PYTHON ?= $(firstword $(wildcard .venv-test/bin/python) python3)

.PHONY: check format demo bench mutants claims dist locks pages

check:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

# What docs/ has of commands, exit codes and a home's files, from the code.
pages:
	$(PYTHON) -m tests.pages

demo:
	$(PYTHON) -m commons.cli demo

bench:
	for script in bench/[a-z]*.py; do echo "== $$script"; PYTHONPATH=. $(PYTHON) $$script || exit 1; done

# The wheels, ours and that of its stand-in for fastecdsa, in dist/: pipx and uv install both together.
dist:
	$(PYTHON) -m pip wheel -q --no-deps -w dist ./standin .
	ls dist

locks:
	$(PYTHON) locks/renew.py

# What the README claims, a test of each, and the change by which it fails: the table is in docs/threat-model.md.
claims:
	$(PYTHON) -m tests.claims $(WORD)

# Guards that no test misses: `make mutants FILES="commons/core/state/transfer.py"`, or `PART=1/8` of all, or what changed
# since a commit (SINCE), or as many as there is time for (MINUTES), or one KIND: drop, bound, negate, side. Hours for all.
mutants:
	$(PYTHON) -m tests.mutants $(FILES) $(if $(PART),--part $(PART)) $(if $(SINCE),--since $(SINCE)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(KIND),--kind $(KIND))
