#!/usr/bin/env bash
# Sets up the virtual environment: torch first (its build depends on the machine), then everything else by hash.
# Variables: PYTHON, VENV, TORCH (auto|cpu|cuda), LANDMARKS (0 leaves the 100 MB of landmark models out).
set -euo pipefail
PYTHON=${PYTHON:-python3.11}
VENV=${VENV:-.venv}
TORCH=${TORCH:-auto}
LANDMARKS=${LANDMARKS:-1}
say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 2; }

command -v "$PYTHON" >/dev/null || PYTHON=python3
command -v "$PYTHON" >/dev/null || fail "no python3.11 found; on Debian: apt-get install python3.11 python3.11-venv"
version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = 3.11 ] || fail "$PYTHON is Python $version, expected 3.11 (set PYTHON=/path/to/python3.11)"

as_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
apt_install() { apt-get install -y -qq "$@" >/dev/null 2>&1 || { apt-get update -qq >/dev/null && apt-get install -y -qq "$@" >/dev/null; }; }

# until it is whole it is made again, over what a killed start has left
if [ ! -e "$VENV/.made" ] && [ ! -e "$VENV/.done" ]; then
    say "virtual environment in $VENV"
    "$PYTHON" -m venv "$VENV" 2>/dev/null || {
        as_root || fail "python3.11-venv is missing; on Debian: apt-get install python3.11-venv"
        apt_install python3.11-venv
        "$PYTHON" -m venv "$VENV"
    }
    touch "$VENV/.made"
fi
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
offline='Failed to establish a new connection|NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|Network is unreachable'
try_pip() {
    "$VENV/bin/python" -m pip --disable-pip-version-check install -q "$@" 2>"$errors" && return
    grep -qE "$offline" "$errors" || return 1
    fail "no connection to your package index (pip config list names it): is there a network? $(tail -n 1 "$errors")"
}
pip() { try_pip "$@" || { cat "$errors" >&2; return 1; }; }

torch_version=$(sed -n 's/^torch==//p' requirements/torch.txt)
vision=$(grep '^torchvision==' requirements/torch.txt)
have_torch() { "$VENV/bin/python" -c "import importlib.metadata as m, sys; sys.exit(m.version('torch').split('+')[0] != '$torch_version')" 2>/dev/null; }
if ! have_torch; then
    [ "$TORCH" = auto ] && { command -v nvidia-smi >/dev/null 2>&1 && TORCH=cuda || TORCH=auto-cpu; }
    say "torch $torch_version ($TORCH)"
    case "$TORCH" in
        cpu) pip "torch==$torch_version+cpu" || fail "your package index has no CPU build of torch $torch_version; add PyTorch's CPU index to your pip configuration, or use TORCH=cuda" ;;
        cuda) pip "torch==$torch_version" ;;
        auto-cpu) try_pip "torch==$torch_version+cpu" || { say "no CPU build in your package index; taking the default build (large)"; pip "torch==$torch_version"; } ;;
        *) fail "TORCH=$TORCH, expected auto, cpu or cuda" ;;
    esac
fi
say "torchvision and everything else, by hash"
pip --no-deps "$vision"
lock=requirements/lock.txt
if [ "$LANDMARKS" = 0 ]; then
    lock=$(mktemp)
    awk '/^face-recognition-models==/ {skip = 1} skip && /^[a-z]/ && !/^face-recognition-models==/ {skip = 0} !skip' requirements/lock.txt >"$lock"
fi
pip --require-hashes -r "$lock"
pip --no-deps --no-build-isolation -e .

if ! "$VENV/bin/python" -c 'import cv2' 2>/dev/null; then
    if as_root; then
        say "system libraries of OpenCV (libgl1, libglib2.0-0)"
        apt_install libgl1 libglib2.0-0
    else
        headless=$("$VENV/bin/python" -c 'import importlib.metadata as m; print(m.version("opencv-python"))')
        say "OpenCV lacks libGL or glib here; taking opencv-python-headless $headless"
        "$VENV/bin/python" -m pip --disable-pip-version-check uninstall -q -y opencv-python
        pip --no-deps "opencv-python-headless==$headless"
    fi
fi
"$VENV/bin/python" -c 'import cv2, dlib' || fail "OpenCV or dlib cannot be imported (see above)"
"$VENV/bin/fernas" kernels || say "no compiled kernels; searches run on the slower pure path"
say "done"
