#!/bin/sh
# Run the loader's tests on another CPython: `tools/matrix.sh 3.13`. One that is not here is said loudly.
set -eu
cd "$(dirname "$0")/.."
version=$1
python=$(command -v "python$version" || true)
if [ -z "$python" ] || ! "$python" -c 'pass' 2>/dev/null; then
    python=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python 2>/dev/null | tail -n 1)
fi
if [ -z "$python" ]; then
    echo "NOT TESTED: CPython $version is not on this machine" >&2
    exit 0
fi
venv=.venv-$version
if [ ! "$venv/.ready" -nt requirements/dev.lock ]; then
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    touch "$venv/.ready"
fi
echo "the loader's tests on $("$python" --version)"
# What depends on the interpreter: not how files are watched, how output is kept, or what the history holds.
"$venv/bin/pytest" -q -n logical --dist loadfile --no-loadscope-reorder tests/conformance/loading tests/unit/test_compiling.py \
    tests/unit/test_frames.py tests/unit/test_graph.py tests/unit/test_holders.py tests/unit/test_region.py tests/unit/test_source.py tests/unit/runner \
    --ignore tests/conformance/loading/test_glance.py --ignore tests/conformance/loading/test_shared_data.py \
    --ignore tests/unit/runner/test_output.py
