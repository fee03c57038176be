#!/bin/sh
# Lock every dependency by name, version and hash, for all supported Pythons; the files record no addresses.
set -eu
cd "$(dirname "$0")/.."
lock() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header "$@"
}
lock pyproject.toml --output-file requirements/runtime.lock
lock pyproject.toml --group dev --output-file requirements/dev.lock
lock requirements/api-fuzz.in --output-file requirements/api-fuzz.lock
! grep -n "://" requirements/*.lock
