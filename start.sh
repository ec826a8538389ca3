#!/usr/bin/env bash
# Starts the app; the first start installs it into .venv. Usage: bash start.sh [flags of app.py], or
# bash start.sh --detach [flags of app.py] | --status | --stop | --logs [-f] | --install-only
# Bash 3.2 and BSD tools suffice: this file only finds a Python, qwen_vl_app/install does the rest.
set -u

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit 1

say() { # say ENGLISH CHINESE: one line, in the person's language
  case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in
    zh*) printf '%s\n' "$2" >&2 ;;
    *) printf '%s\n' "$1" >&2 ;;
  esac
}

usable() { # does this command really run, as a 64-bit Python 3.10 or newer? (pyenv's shims may not)
  "$1" -c 'import sys; sys.exit(not (sys.version_info >= (3, 10) and sys.maxsize > 2**32))' >/dev/null 2>&1
}

find_python() { # prints the first usable Python
  if [ -n "${QWEN_VL_PYTHON:-}" ]; then
    usable "$QWEN_VL_PYTHON" && printf '%s\n' "$QWEN_VL_PYTHON"
    return
  fi
  local name
  if [ -f "$root/.venv/ready.json" ] && usable "$root/.venv/bin/python"; then
    printf '%s\n' "$root/.venv/bin/python"
    return
  fi
  for name in python3.13 python3.12 python3.11 python3.10 python3 python; do
    if command -v "$name" >/dev/null 2>&1 && usable "$name"; then
      printf '%s\n' "$name"
      return
    fi
  done
  return 1
}

explain_no_python() {
  if [ -n "${QWEN_VL_PYTHON:-}" ]; then
    say "QWEN_VL_PYTHON=$QWEN_VL_PYTHON is not a 64-bit Python 3.10 or newer that runs; correct or unset it." \
      "QWEN_VL_PYTHON=$QWEN_VL_PYTHON 不是能运行的 64 位 Python 3.10 或更新版本；请改正或取消该变量。"
  elif [ "$(uname -s)" = Darwin ]; then
    say "No Python 3.10 or newer was found. Install it with 'brew install python@3.12' or from python.org, then start again." \
      "没有找到 Python 3.10 或更新版本。请用“brew install python@3.12”或从 python.org 安装，然后重新启动。"
  elif command -v apt-get >/dev/null 2>&1; then
    say "No Python 3.10 or newer was found. Install it with 'sudo apt-get install python3 python3-venv', then start again." \
      "没有找到 Python 3.10 或更新版本。请用“sudo apt-get install python3 python3-venv”安装，然后重新启动。"
  else
    say "No Python 3.10 or newer was found. Install one with your system's package manager, then start again." \
      "没有找到 Python 3.10 或更新版本。请用系统的软件包管理器安装，然后重新启动。"
  fi
}

python=$(find_python) || { explain_no_python; exit 1; }
exec "$python" -c 'import sys
sys.path[0] = sys.argv[1]
from qwen_vl_app.install.start import main
sys.exit(main(sys.argv[2:]))' "$root" "$@"
