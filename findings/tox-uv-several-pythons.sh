#!/bin/sh
# Of several interpreters in base_python, tox takes the first that is
# installed; with the plugin tox-uv the first one must be, or the environment
# is skipped, although the run ends as if nothing had been left out.
#
# Seen with: tox 4.67.15, tox-uv 1.37.1, uv 0.13.9
#
# tox.ini may name "base_python = python3.10, python3.11, ...", so that an
# environment for the oldest Python of a machine exists everywhere.  tox-uv
# replaces only how environments are made, and one would expect it to search
# in the same way.  In fact it hands the first name to uv; with
# skip_missing_interpreters the environment is then skipped, and the others
# hide that: tox ends with 0.
#
# Who is hurt: projects whose tests for the oldest packages run nowhere but on
# machines that have the first Python of the list.  What to do: choose the
# interpreter in a toxfile.py, or name one environment for each.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 300 env/bin/python -m pip install --quiet tox==4.67.15

cat >tox.ini <<'END'
[tox]
env_list = always, several
skip_missing_interpreters = true

[testenv]
skip_install = true
commands = python -c ""

[testenv:several]
base_python = python3.99, python3
END

cat >recorded <<'END'
tox 4.67.15
  always: OK
  several: OK
  exit status 0
tox 4.67.15, tox-uv 1.37.1, uv 0.13.9
  always: OK
  several: SKIP
  exit status 0
END

run() {
    status=0
    timeout 300 env/bin/tox --colored no >output 2>&1 || status=$?
    sed -n 's/^  \(always\|several\): \([A-Z]*\) .*/  \1: \2/p' output
    echo "  exit status $status"
}

version() {
    env/bin/python -c "import importlib.metadata as m; print(m.version('$1'))"
}

{
    echo "tox $(version tox)"
    run
    timeout 300 env/bin/python -m pip install --quiet \
        tox-uv==1.37.1 uv==0.13.9
    rm -rf .tox
    echo "tox $(version tox), tox-uv $(version tox-uv), uv $(version uv)"
    run
} >seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
