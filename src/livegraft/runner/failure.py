"""An exception of a script, made into text that people can use.

Nothing here trusts the exception: its ``__str__`` may raise or return 100 MB, its chain may have
10,000 links, its stack may be as deep as the recursion limit. What is returned holds text only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, TracebackType
from typing import Final

from livegraft.frames import frames_of_other_threads, stack
from livegraft.run import RunFailure
from livegraft.runner.interrupt import RunCancelledError

Locate = Callable[[str], tuple[str, str] | None]
"""A code object's file name -> the path in the repository and the short revision, or None for other code."""

MESSAGE_LIMIT: Final = 4_000
"""Characters of an exception's message that are kept."""

TEXT_LIMIT: Final = 64_000
"""Characters of a whole traceback."""

FRAMES_LIMIT: Final = 20
"""Frames shown at each end of a stack."""

CHAIN_LIMIT: Final = 10
"""Exceptions of a chain that are shown, the last ones."""

GROUP_LIMIT: Final = 10
"""Exceptions of one group that are shown."""

GROUP_DEPTH: Final = 3

LINE_LIMIT: Final = 200

_MACHINERY: Final = str(Path(__file__).parent.parent) + "/"
_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"


def describe(exc: BaseException, locate: Locate) -> RunFailure:
    """What went wrong, in repository paths; keeps neither the exception nor its frames.

    Raises nothing but RunCancelledError, when that strikes in a ``__str__`` that does not end.
    """
    try:
        return _describe(exc, locate)
    except RunCancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - attributes of the exception are the script's code too
        return RunFailure(type(exc).__name__, f"<cannot be described: {type(error).__qualname__}>")


def _describe(exc: BaseException, locate: Locate) -> RunFailure:
    place, line = None, 0
    for file, number, _ in _frames(exc.__traceback__, locate):
        found = locate(file)
        if found is not None:
            place, line = found[0], number
    if isinstance(exc, SyntaxError) and (found := locate(str(exc.filename))) is not None:
        place, line = found[0], exc.lineno or 0
    text = "".join(itertools.islice(_chain(exc, locate), 10_000))
    if len(text) > TEXT_LIMIT:
        half = TEXT_LIMIT // 2
        text = f"{text[:half]}\n… {len(text) - TEXT_LIMIT} characters left out …\n{text[-half:]}"
    return RunFailure(type_name(type(exc)), message(exc), place, line, text.encode("utf-8", "replace").decode())


def where(thread: int, locate: Locate) -> str:
    """Where a thread is now, outermost frame first; "" when it is gone."""
    frames = [(frame.f_code, line) for frame, line in stack(frames_of_other_threads().get(thread))]
    shown = [(code, line) for code, line in reversed(frames) if _is_shown(code, locate)]
    return "".join(_frame(code.co_filename, line, code.co_qualname, locate) for code, line in shown[-FRAMES_LIMIT:])


def type_name(kind: type[BaseException]) -> str:
    """``ValueError``, ``sqlite3.OperationalError``; a version's own classes without the version's name."""
    if kind.__module__ == "builtins" or "@" in kind.__module__:
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def message(exc: BaseException) -> str:
    """``str(exc)``, bounded, whatever it does."""
    try:
        # A syntax error's text names the file on disk; where it is in the repository stands beside it.
        text = str(exc.msg if isinstance(exc, SyntaxError) else exc)[: MESSAGE_LIMIT + 1]
    except RunCancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit out of a __str__ must not end the host
        return f"<no message: __str__ raised {type(error).__qualname__}>"
    # What cannot be encoded cannot be stored.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "…"


def _chain(exc: BaseException, locate: Locate) -> Iterator[str]:
    """The exception with what led to it, oldest first, as Python prints it."""
    links: list[tuple[BaseException, str]] = [(exc, "")]
    seen = {id(exc)}
    current = exc
    while len(links) < CHAIN_LIMIT:
        if current.__cause__ is not None:
            earlier, joint = current.__cause__, _CAUSE
        elif current.__context__ is not None and not current.__suppress_context__:
            earlier, joint = current.__context__, _CONTEXT
        else:
            break
        if id(earlier) in seen:
            break
        seen.add(id(earlier))
        links.append((earlier, joint))
        current = earlier
    else:
        yield f"… only the last {CHAIN_LIMIT} exceptions are shown …\n\n"
    for link, joint in reversed(links):
        yield from _one(link, locate, depth=0)
        yield joint


def _one(exc: BaseException, locate: Locate, depth: int) -> Iterator[str]:
    """One exception with its stack, and the members of a group below it."""
    frames = list(_frames(exc.__traceback__, locate))
    if frames:
        yield "Traceback (most recent call last):\n"
    if len(frames) > 2 * FRAMES_LIMIT:
        left_out = len(frames) - 2 * FRAMES_LIMIT
        first, last = frames[:FRAMES_LIMIT], frames[-FRAMES_LIMIT:]
        yield from (_frame(*frame, locate) for frame in first)
        yield f"  … {left_out} frames left out …\n"
        yield from (_frame(*frame, locate) for frame in last)
    else:
        yield from (_frame(*frame, locate) for frame in frames)
    if isinstance(exc, SyntaxError):
        yield from _syntax(exc, locate)
    text = message(exc)
    yield f"{type_name(type(exc))}: {text}\n" if text else f"{type_name(type(exc))}\n"
    yield from (f"{note}\n" for note in _notes(exc))
    if isinstance(exc, BaseExceptionGroup) and depth < GROUP_DEPTH:
        for number, member in enumerate(exc.exceptions[:GROUP_LIMIT], start=1):
            yield f"  {'| ' * depth}+---- {number} of {len(exc.exceptions)} ----\n"
            for lines in _one(member, locate, depth + 1):
                yield from (f"  | {line}" for line in lines.splitlines(keepends=True))


def _frames(traceback: TracebackType | None, locate: Locate) -> Iterator[tuple[str, int, str]]:
    """(file, line, function) of each frame, without livegraft's own."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if _is_shown(code, locate):
            yield code.co_filename, traceback.tb_lineno or 0, code.co_qualname
        traceback = traceback.tb_next


def _is_shown(code: CodeType, locate: Locate) -> bool:
    return locate(code.co_filename) is not None or not code.co_filename.startswith(_MACHINERY)


def _frame(file: str, line: int, function: str, locate: Locate) -> str:
    found = locate(file)
    shown, revision = found if found is not None else (file, "")
    at = f" at {revision}" if revision else ""
    head = f'  File "{shown}", line {line}, in {function}{at}\n'
    source = _source_line(file, line)
    return f"{head}    {source}\n" if source else head


def _syntax(exc: SyntaxError, locate: Locate) -> Iterator[str]:
    file = str(exc.filename)
    found = locate(file)
    yield f'  File "{found[0] if found is not None else file}", line {exc.lineno or 0}\n'
    line = (exc.text or _source_line(file, exc.lineno or 0))[:LINE_LIMIT].rstrip()
    if line:
        indent = len(line) - len(line.lstrip())
        yield f"    {line.lstrip()}\n"
        if exc.offset and indent < exc.offset <= len(line) + 1:
            yield f"    {' ' * (exc.offset - 1 - indent)}^\n"


def _source_line(file: str, line: int) -> str:
    """Read from the file itself: ``linecache`` would keep the text of versions that are gone."""
    try:
        with open(file, encoding="utf-8", errors="replace") as source:
            return next(itertools.islice(source, line - 1, None), "").strip()[:LINE_LIMIT]
    except (OSError, ValueError):
        return ""


def _notes(exc: BaseException) -> list[str]:
    notes = getattr(exc, "__notes__", [])
    return [str(note)[:MESSAGE_LIMIT] for note in notes[:GROUP_LIMIT]] if isinstance(notes, list) else []
