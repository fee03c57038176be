"""Sending modules of a plan to a child, which cannot read the mirror."""

from __future__ import annotations

import base64
import marshal
from collections.abc import Callable, Collection
from contextlib import suppress
from types import CodeType

from livegraft.errors import LivegraftError
from livegraft.graph import PlannedModule
from livegraft.probe.process import Child


class Sender:
    """What one child knows of a plan: ``find`` gives its modules by name, ``tops`` are the repository's first names.

    ``prepare`` puts the files of a module that are no Python where its source will stand. ``with_code`` sends code that
    no version has taken yet beside the text: to a process of this Python.
    """

    def __init__(
        self,
        child: Child,
        *,
        find: Callable[[str], PlannedModule | None],
        tops: Collection[str],
        prepare: Callable[[PlannedModule], None],
        with_code: bool = False,
    ) -> None:
        self._child = child
        self._find = find
        self._tops = tops
        self._prepare = prepare
        self._with_code = with_code
        self._sent: set[tuple[str, str]] = set()

    def send(self, module: PlannedModule) -> None:
        """Describe a module and all that it reaches, but for what the child has."""
        pending = [module]
        while pending:
            each = pending.pop()
            if (each.name, each.key) in self._sent:
                continue
            self._sent.add((each.name, each.key))
            pending.extend(each.imports.values())
            source = each.source
            text = source.data.decode("latin-1") if source is not None else None
            is_broken = source is not None and source.error is not None
            code = _written(source.code) if source is not None and source.code is not None and self._with_code else None
            with suppress(LivegraftError, OSError):  # the import tells it
                self._prepare(each)
            imports = [[name, imported.key] for name, imported in each.imports.items()]
            self._child.send(
                ["module", each.name, each.key, each.path, each.blob, each.is_package, text, code, is_broken, imports]
            )

    def answer(self, name: str) -> None:
        """The child asks what an import means that no statement showed."""
        found = self._find(name)
        if found is not None:
            self.send(found)
        self._child.send(["answer", name in self._tops, found.key if found is not None else None])


def _written(code: CodeType) -> str:
    return base64.b64encode(marshal.dumps(code)).decode("ascii")
