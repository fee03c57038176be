"""What runs execute, and a run that is prepared and not yet written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final

from pydantic import SecretBytes, SecretStr

from livegraft.environment import DescribedParameters
from livegraft.header import DEFAULT, Header
from livegraft.line import Turn
from livegraft.parameters import SECRET_MASK, Parameters
from livegraft.run import RunRecord
from livegraft.runner import Isolated
from livegraft.runner.failure import Locate
from livegraft.runner.plain import plain_or_text

THREAD: Final = "thread"
TASK: Final = "task"
PROCESS: Final = "process"


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What runs of a script execute: one of its versions, the live one or not, with the limits that its header sets."""

    script: str
    key: str
    revision: str
    function: Callable[..., Any]
    is_async: bool
    parameters: Parameters | DescribedParameters
    locate: Locate
    header: Header = DEFAULT
    isolated: Isolated | None = None
    is_live: bool = True

    @property
    def pool(self) -> str:
        """Whose places its runs take."""
        if self.isolated is not None:
            return PROCESS
        return TASK if self.is_async else THREAD

    def kept(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as the history has them: as JSON, secrets masked."""
        secrets = self.parameters.secrets
        return {name: SECRET_MASK if name in secrets else plain_or_text(value) for name, value in arguments.items()}

    def is_for_all(self, arguments: Mapping[str, Any]) -> bool:
        """Whether another process could begin a run with these arguments, from what the history has of it."""
        return self.is_live and self.parameters.files.isdisjoint(arguments) and self.kept(arguments) == dict(arguments)

    def sent(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as another process is told: as JSON, with the secrets."""
        return {
            name: plain_or_text(value.get_secret_value() if isinstance(value, (SecretStr, SecretBytes)) else value)
            for name, value in arguments.items()
        }

    def turn(self, bound: Mapping[str, Any]) -> Turn:
        """What a run with these arguments waits for."""
        concurrency = self.header.concurrency
        if concurrency is None:
            return Turn(self.pool, self.script, self.header.priority)
        group = repr(bound.get(concurrency.key)) if concurrency.key else ""
        return Turn(self.pool, self.script, self.header.priority, group, concurrency.limit)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedRun(RunRecord):
    """A run that can be written and then launched; dropped instead, it leaves nothing behind."""

    work: Work
    bound: Mapping[str, Any] = field(repr=False)
    given: Mapping[str, Any] = field(repr=False)

    @property
    def plain(self) -> RunRecord:
        """Its row alone, which keeps no version."""
        return RunRecord(*_plain_fields(self))


_plain_fields: Final = attrgetter(*(field.name for field in fields(RunRecord)))
