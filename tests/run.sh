#!/usr/bin/env bash
# The whole check: environment (as start.sh makes it), linters, types, tests, coverage.
# Usage: bash tests/run.sh [arguments of pytest; with any, coverage is shown but not judged]
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
python=.venv/bin/python
failed=""

step() { # step NAME COMMAND…: run it, remember whether it failed
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed="$failed $name"
}

missing_packages() { # the Debian packages that the tests need and this machine lacks
  command -v chromium >/dev/null || printf 'chromium '
  [ -n "$(fc-list :lang=zh 2>/dev/null)" ] || printf 'fonts-wqy-microhei fontconfig '
  command -v c++ >/dev/null || printf 'build-essential '
  python3 -c 'import ensurepip' 2>/dev/null || printf 'python3-venv '
}

system_packages() {
  local missing
  missing=$(missing_packages)
  [ -z "$missing" ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null && return
  fi
  printf 'These Debian packages are needed for the tests: sudo apt-get install %s\n' "$missing" >&2
  return 1
}

environment() {
  bash start.sh --install-only || return 1
  "$python" -m qwen_vl_app.install.requirements dev >.build/dev.txt || return 1
  "$python" -m pip install --disable-pip-version-check --quiet -r .build/dev.txt
}

tests() {
  "$python" -m coverage erase
  "$python" -m coverage run -m pytest "$@"
}

coverage() {
  local limit=(--fail-under=90)
  [ "$#" -gt 0 ] && limit=(--fail-under=0)
  "$python" -m coverage combine --quiet && "$python" -m coverage report --skip-covered "${limit[@]}"
}

system_packages || exit 1
environment || exit 1
step lint "$python" -m ruff check --output-format concise .
step format "$python" -m ruff format --check .
step types "$python" -m mypy
step tests tests "$@"
step coverage coverage "$@"

if [ -n "$failed" ]; then
  printf '\nFAILED:%s\n' "$failed"
  exit 1
fi
printf '\nAll checks passed.\n'
