#!/bin/sh
# Create the virtual environment $1 unless it is there, and install the package into it: with all extras, and with the
# dependency group $2 where one is named. Uses uv where it is on PATH, else python3 -m venv and pip.
set -u
. "$(dirname "$0")/say.sh"
venv=$1 group=${2:-}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if new_enough "$candidate"; then echo "$candidate"; return; fi
    done
    return 1
}

create() {
    python=$(find_python) ||
        die "gatewaykit needs Python 3.11 or newer, and ${PYTHON:-python3} is older or missing: set PYTHON=/path/to/python"
    say "creating $venv with $("$python" --version)"
    "$python" -m venv "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv" # Debian ships venv apart from Python
    "$(dirname "$0")/need_debian.sh" "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    "$python" -m venv "$venv" || die "$python -m venv does not work here: install the venv module of Python"
}

with_uv() {
    command -v uv >/dev/null || return 1
    [ -x "$venv/bin/python" ] || uv venv --quiet --python '>=3.11' "$venv" || return 1
    say "installing gatewaykit${group:+ and what its development needs} into $venv, with uv"
    uv pip install --quiet --python "$venv/bin/python" --editable '.[all]' ${group:+--group "$group"} && return
    warn "uv could not; trying pip"
    return 1
}

with_pip() {
    [ -x "$venv/bin/python" ] && new_enough "$venv/bin/python" || { rm -rf "$venv"; create; }
    say "installing gatewaykit${group:+ and what its development needs} into $venv"
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null || return 1
    PIP_DISABLE_PIP_VERSION_CHECK=1
    export PIP_DISABLE_PIP_VERSION_CHECK
    # Dependency groups came with pip 25.1.
    "$venv/bin/python" -m pip install -qq --upgrade 'pip>=25.1' || return 1
    "$venv/bin/python" -m pip install -qq --editable '.[all]' ${group:+--group "$group"}
}

with_uv || with_pip || die "the installation failed; the lines above say why"
