"""The git program, called so that neither a repository nor this machine's settings can make it run anything else."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from livegraft.errors import ConfigurationError
from livegraft.mirror.limits import DEFAULT_LIMITS, Limits

SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "gc.auto=0",
    "gc.autoDetach=false",
    "maintenance.auto=false",
    "fetch.fsckObjects=true",
    "fetch.fsck.badTimezone=ignore",  # old tools wrote these three, and they harm nobody
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.recurseSubmodules=false",
    "http.followRedirects=false",
    "transfer.credentialsInUrl=die",
    "transfer.bundleURI=false",
    "safe.bareRepository=explicit",
    "protocol.version=2",
    "credential.helper=",
)
"""Given with ``-c``, so that they win over every file."""

TOKEN_VARIABLE = "LIVEGRAFT_GIT_TOKEN"  # noqa: S105 the name of it, not the token
USER_VARIABLE = "LIVEGRAFT_GIT_USER"
GIVE_TOKEN = (
    'credential.helper=!f() { test "$1" = get && '
    f'printf "username=%s\\npassword=%s\\n" "${USER_VARIABLE}" "${TOKEN_VARIABLE}"; }}; f'
)
"""The token stays in the environment: ``printf`` is built into the shell, so no argument list and no file has it."""

SSH = (
    "ssh -F none -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=10"
    " -oServerAliveInterval=5 -oServerAliveCountMax=3 -oForwardAgent=no -oPermitLocalCommand=no"
)

KEPT_VARIABLES = (
    "PATH",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
)
"""What a machine must say for the network to work; everything else of the host's environment stays away."""

OUTPUT_BYTES = 16 * 1024 * 1024
ERROR_BYTES = 64 * 1024
CPU_SECONDS = 600
REAP_SECONDS = 5.0
NOTICE_CLOSE_SECONDS = 0.1
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a git command ended: ``code`` is its exit status, None when it was cut at the deadline or by ``close``."""

    code: int | None
    output: bytes
    errors: str


def hardened_environment(
    protocol: str, *, home: str, global_settings: str | None, token: str | None = None
) -> dict[str, str]:
    """All that git and its children see of the environment.

    ``protocol`` is the only transport they may use; ``global_settings`` takes the place of the account's own
    settings, which count when it is None.
    """
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment |= {
        "HOME": home,
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": protocol,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
        "GIT_HTTP_LOW_SPEED_TIME": "10",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_SSH_COMMAND": SSH,
        "GIT_TERMINAL_PROMPT": "0",
    }
    if global_settings is not None:
        environment["GIT_CONFIG_GLOBAL"] = global_settings
    if token:
        user, _, secret = token.rpartition(":")
        environment |= {USER_VARIABLE: user or "x-access-token", TOKEN_VARIABLE: secret}
    return environment


class Git:
    """Calls of git on one repository.

    Each call gets a session of its own, so that the helpers it starts (ssh, https) end with it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.environment = environment
        settings = (*SETTINGS, GIVE_TOKEN) if TOKEN_VARIABLE in environment else SETTINGS
        self._prefix = ("git", *arguments, *(part for setting in settings for part in ("-c", setting)))
        self._folder = folder
        self._limits = limits
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """Cut short what ``run`` is doing in other threads, now and from now on."""
        self._closed.set()

    def run(self, *arguments: str, deadline_seconds: float) -> Ended:
        """Run one command to its end, or kill it and all that it started at the deadline."""
        process = self._spawn(arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._limit(process.pid)
        try:
            return _collect(process, time.monotonic() + deadline_seconds, self._closed)
        finally:
            stop(process)

    def start(self, *arguments: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Start a command that answers on its stdout what it is asked on its stdin. End it with ``stop``."""
        return self._spawn(arguments, stdin=stdin, stderr=subprocess.DEVNULL)

    def _spawn(self, arguments: Sequence[str], *, stdin: int, stderr: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self._prefix, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                cwd=self._folder,
                env=self.environment,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            if error.filename != "git":
                raise
            raise ConfigurationError("expected the program 'git' on the PATH, found none; install git") from error

    def _limit(self, pid: int) -> None:
        # From here and not by preexec_fn, which is slow and unsafe in a host with threads.
        with contextlib.suppress(OSError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (self._limits.pack_bytes, self._limits.pack_bytes))
            resource.prlimit(pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process with its whole group, reap it and close its pipes. Idempotent."""
    # The leader is reaped last: until then its number cannot be given to another group.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(REAP_SECONDS)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _collect(process: subprocess.Popen[bytes], deadline: float, closed: threading.Event) -> Ended:
    """Read both pipes until their writers are gone; keep the head of the output and the tail of the errors."""
    if process.stdout is None or process.stderr is None:
        raise ValueError("expected a process with pipes")
    output, errors = process.stdout.fileno(), process.stderr.fileno()
    kept = {output: bytearray(), errors: bytearray()}
    poller = select.poll()
    for pipe in kept:
        poller.register(pipe, select.POLLIN)
    waiting = set(kept)
    while waiting and (left := deadline - time.monotonic()) > 0 and not closed.is_set():
        for pipe, _ in poller.poll(min(left, NOTICE_CLOSE_SECONDS) * 1000):
            data = os.read(pipe, CHUNK)
            kept[pipe] += data
            if not data:
                poller.unregister(pipe)
                waiting.discard(pipe)
        del kept[output][OUTPUT_BYTES:]
        del kept[errors][:-ERROR_BYTES]
    code = None if waiting else _wait(process, deadline)
    return Ended(code, bytes(kept[output]), kept[errors].decode("utf-8", "replace"))


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None
