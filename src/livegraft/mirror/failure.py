"""What a failed fetch means, in words that say what to do."""

from __future__ import annotations

import re

TELLING_LINES = 4
TELLING_CHARACTERS = 600

UNREACHABLE, REFUSED, BRANCH_GONE, TIMEOUT, DAMAGED = "unreachable", "refused", "branch_gone", "timeout", "damaged"

MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"couldn't find remote ref",
        BRANCH_GONE,
        "expected branch {branch!r} in {address}, found none; commit to it and push, or name another branch",
    ),
    (
        r"Authentication failed|could not read (Username|Password)|returned error: 40[13]|invalid credentials",
        REFUSED,
        "expected to be let in by {address}, was refused; give a token that may read it in LIVEGRAFT_GIT_TOKEN",
    ),
    (
        r"returned error: 404|Repository not found|repository '.*' not found",
        REFUSED,
        "expected a repository at {address}, found none, or none that this token may see;"
        " check the address and LIVEGRAFT_GIT_TOKEN",
    ),
    (
        r"Permission denied \(|Too many authentication failures",
        REFUSED,
        "expected to be let in by {address}, the SSH key was refused; add a key of this account to the repository",
    ),
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        REFUSED,
        "expected a known SSH host key from {address}, got another or an unknown one;"
        " if it is right, add it to ~/.ssh/known_hosts",
    ),
    (
        r"SSL certificate problem|certificate verif|server certificate",
        REFUSED,
        "expected a trusted certificate from {address}; if it is signed by your own authority,"
        " name its file in GIT_SSL_CAINFO",
    ),
    (
        r"returned error: 429",
        UNREACHABLE,
        "expected an answer from {address}, it was asked too often; poll it less often",
    ),
    (
        r"fsck error|fsck-objects|contains '\.|hasDot",
        DAMAGED,
        "expected well-formed commits from {address}, got some that git refuses; rewrite or revert them there",
    ),
    (
        r"redirection|returned error: 30\d",
        UNREACHABLE,
        "expected no redirect from {address}; give the address that it leads to, often the same with .git at its end",
    ),
    (
        r"Operation too slow|timed out|Timeout",
        TIMEOUT,
        "expected an answer from {address} in time, it was too slow; it is asked again",
    ),
    (
        r"died of signal 25|File too large",
        UNREACHABLE,
        "expected less data from {address}: it sends more than the limit of one pack; raise Limits.pack_bytes",
    ),
    (
        r"does not appear to be a git repository",
        UNREACHABLE,
        "expected a git repository at {address}, found none; check the address",
    ),
    (
        r"unable to access|Could(n't| not) (resolve|connect)|Connection (refused|reset|closed)|No route to host"
        r"|unable to connect|hung up unexpectedly|early EOF|RPC failed|returned error: 5\d\d|unexpected disconnect",
        UNREACHABLE,
        "expected an answer from {address}, got none; it is asked again",
    ),
)
"""Pattern in git's words, kind of MirrorError, our words. The first that matches counts."""


def explain(errors: str, *, address: str, branch: str) -> tuple[str, str] | None:
    """Kind and reason of a failure by what git printed; None when it says nothing about the remote."""
    for pattern, kind, words in MEANINGS:
        if re.search(pattern, errors):
            return kind, f"{words.format(address=address, branch=branch)} (git: {telling(errors)})"
    return None


def telling(errors: str) -> str:
    """The lines of git's errors that say what happened, as one, without control characters."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", errors) if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ERROR:"))] or lines
    text = "; ".join(told[:TELLING_LINES]) or "it gave no reason"
    return re.sub(r"[^\x20-\x7e]", "?", text)[:TELLING_CHARACTERS]
