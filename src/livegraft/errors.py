"""What can go wrong, by what the caller can do about it.

Every error carries a short stable ``code``; the API and the CLI map codes to HTTP and exit
status in one table each. Messages say what was expected, what was found and what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar


class LivegraftError(Exception):
    """The root of all errors that livegraft raises on purpose."""

    code: ClassVar[str] = "error"

    @property
    def details(self) -> dict[str, Any]:
        """Facts beside the message, as JSON values, for the API's error body."""
        return {}


class ConfigurationError(LivegraftError):
    """A setting of the host, the command line or the environment is wrong."""

    code = "configuration"


class NotFoundError(LivegraftError):
    """The named script, run, version or release does not exist.

    ``nearest`` is a name that does exist and differs by a typo, or None.
    """

    code = "not_found"

    def __init__(self, kind: str, name: str, nearest: str | None = None) -> None:
        self.kind, self.name, self.nearest = kind, name, nearest
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"found no {kind} {name!r}{hint}")


class SourceError(LivegraftError):
    """A file of the repository cannot be used: its syntax, its header, its encoding.

    ``line`` counts from 1; 0 when the fault has no line.
    """

    code = "source"

    def __init__(self, path: str, line: int, reason: str) -> None:
        self.path, self.line, self.reason = path, line, reason
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")

    def again(self) -> SourceError:
        """A new exception that says the same: one that is kept and raised twice keeps the frames of both."""
        return type(self)(self.path, self.line, self.reason)

    @property
    def details(self) -> dict[str, Any]:
        return {"path": self.path, "line": self.line}


class HeaderError(SourceError):
    """The header of a script breaks a rule."""

    code = "header"


class LoadError(LivegraftError):
    """A version did not load; the one before keeps serving.

    ``text`` is the traceback as people see it (repository paths, short revision), or "".
    """

    code = "load"

    def __init__(self, path: str, line: int, reason: str, text: str = "") -> None:
        self.path, self.line, self.reason, self.text = path, line, reason, text
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")

    def again(self) -> LoadError:
        """A new exception that says the same: one that is kept and raised twice keeps the frames of both."""
        return LoadError(self.path, self.line, self.reason, self.text)

    @property
    def details(self) -> dict[str, Any]:
        return {"path": self.path, "line": self.line, "traceback": self.text}


class QuarantinedError(LoadError):
    """A version is not loaded: processes died while they loaded it, or livegraft is in safe mode."""

    code = "quarantined"

    def again(self) -> QuarantinedError:
        return QuarantinedError(self.path, self.line, self.reason, self.text)


class ContractError(LoadError):
    """A version lacks what the host requires of it, or has it with a signature that does not fit.

    ``expected`` and ``found`` are for people; ``revision`` and ``author`` tell whose commit it is (a work tree has
    no author).
    """

    code = "contract"

    def __init__(
        self, path: str, line: int, expected: str, found: str, why: str = "", revision: str = "", author: str = ""
    ) -> None:
        self.expected, self.found, self.why, self.revision, self.author = expected, found, why, revision, author
        reason = f"expected {expected}, as the host requires, got: {found}{f'; {why}' if why else ''}"
        super().__init__(path, line, f"{reason} (in {revision[:8]} by {author})" if author else reason)

    def again(self) -> ContractError:
        return ContractError(self.path, self.line, self.expected, self.found, self.why, self.revision, self.author)

    @property
    def details(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in ("expected", "found", "revision", "author")}
        return {**super().details, **facts}


class NotLiveError(LivegraftError, AttributeError):
    """What was read through ``live`` does not exist in the live release, or no release is live yet."""

    code = "not_live"


class UnloadedVersionError(LivegraftError):
    """Code of a version that has left the process was asked to do something."""

    code = "unloaded"


class ArgumentsError(LivegraftError):
    """The arguments of a run do not fit the script's parameters.

    ``problems`` maps a parameter's name (dotted for nested values) to what is wrong with it.
    """

    code = "arguments"

    def __init__(self, script: str, problems: dict[str, str]) -> None:
        self.script, self.problems = script, problems
        listed = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        super().__init__(f"arguments of {script} do not fit: {listed}")

    @property
    def details(self) -> dict[str, Any]:
        return {"problems": self.problems}


class NotRunnableError(LivegraftError):
    """The script exists but takes no runs now: quarantined, never loaded, or stopping."""

    code = "not_runnable"


class BusyError(LivegraftError):
    """A bound was reached (the queue is full); the same call may succeed later."""

    code = "busy"


class ConflictError(LivegraftError):
    """The state of the thing does not allow this now (ending an ended run, pinning an unknown key)."""

    code = "conflict"


class MirrorError(LivegraftError):
    """The repository could not be read; what is live stays live.

    ``kind`` is one of ``unreachable``, ``refused``, ``branch_gone``, ``rewritten``,
    ``timeout``, ``damaged``; credentials never stand in the message.
    """

    code = "mirror"

    def __init__(self, kind: str, reason: str) -> None:
        self.kind, self.reason = kind, reason
        super().__init__(reason)

    @property
    def details(self) -> dict[str, Any]:
        return {"kind": self.kind}


class StoreError(LivegraftError):
    """The history could not be read or written.

    ``passes`` tells that the same may do later: the server is away, the disk is full. It does not when the database
    refuses what is to be written.
    """

    code = "store"

    def __init__(self, message: str, *, passes: bool = True) -> None:
        self.passes = passes
        super().__init__(message)
