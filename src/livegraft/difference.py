"""What a commit would do to a server: scripts it adds, changes and removes there, and what it breaks.

Equal content has an equal key everywhere, so a script whose key is live on the server is not changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from livegraft.catalog import ScriptStatus

Json = Mapping[str, Any]


class Change(StrEnum):
    """What becomes of a script."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ScriptChange:
    """One script that is not as it is on the server. ``breaks`` says what callers will miss, ``notes`` the rest."""

    script: str
    change: Change
    breaks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """A work tree compared with what is live on a server; ``unchanged`` are the names that are live as they are."""

    changes: tuple[ScriptChange, ...]
    unchanged: frozenset[str]

    @property
    def break_count(self) -> int:
        return sum(bool(each.breaks) for each in self.changes)


def compare(scripts: Sequence[ScriptStatus], live: Sequence[Json], required: Collection[str] = ()) -> Difference:
    """Compare the scripts of a work tree with the answer of ``GET /scripts``.

    ``required`` are the modules that the server's host requires something of: those that no script is of are among the
    scripts of the work tree when they do not load, and in the answer when they do not load there.
    """
    there = {each["name"]: each for each in live}
    here = {each.name: each for each in scripts}
    changes: list[ScriptChange] = []
    unchanged = set()
    for name in sorted({*here, *there}):
        script, before = here.get(name), there.get(name)
        if script is None:
            assert before is not None  # noqa: S101 - it is one of both
            ends = tuple(f"schedule ends: {line}" for line in _lines(before))
            changes.append(ScriptChange(name, Change.REMOVED, notes=ends))
        elif before is None:
            change = Change.ADDED if name not in required else Change.CHANGED if _key(script) else Change.REMOVED
            changes.append(ScriptChange(name, change, tuple(_faults(script)), tuple(_new_schedules(script, ()))))
        elif before["version"] is not None and before["version"]["key"] == _key(script):
            unchanged.add(name)
        else:
            changes.append(_changed(script, before))
    return Difference(tuple(changes), frozenset(unchanged))


def _changed(script: ScriptStatus, before: Json) -> ScriptChange:
    breaks = [*_faults(script)]
    if script.error is None:
        newer = before.get("newer")
        if before["error"] and newer and newer["key"] == _key(script):
            breaks.append(f"did not load there: {before['error']['message']}")
        if before["version"] is not None:
            breaks += _broken_parameters(before["parameters"], script.parameters)
    notes = [] if before["version"] else ["nothing of it serves there now"]
    if before["pinned"]:
        notes.append(f"pinned there: version {before['version']['key'][:8]} goes on serving")
    if script.error is None:
        now = {f"{each.cron} {each.timezone}" for each in script.schedules}
        notes += [f"schedule ends: {line}" for line in _lines(before) if line not in now]
        notes += _new_schedules(script, _lines(before))
    return ScriptChange(script.name, Change.CHANGED, tuple(breaks), tuple(notes))


def _key(script: ScriptStatus) -> str:
    if script.version is not None:
        return script.version.key
    return script.error.key if script.error else ""


def _faults(script: ScriptStatus) -> Iterator[str]:
    if script.error is not None:
        failure = script.error.failure
        yield f"does not load: {failure.place}: {failure.message}"


def _lines(before: Json) -> list[str]:
    return [f"{each['cron']} {each['timezone']}" for each in before["schedule"]]


def _new_schedules(script: ScriptStatus, before: Sequence[str]) -> Iterator[str]:
    for each in script.schedules:
        if f"{each.cron} {each.timezone}" not in before:
            yield f"schedule begins: {each.cron} {each.timezone}"


def _broken_parameters(before: Json, after: Json) -> Iterator[str]:
    """What a call that was right does not get by any more."""
    old, new = before.get("properties", {}), after.get("properties", {})
    was_required, required = set(before.get("required", ())), set(after.get("required", ()))
    for name in old:
        if name not in new:
            yield f"parameter {name}: is gone"
        elif name in required - was_required:
            yield f"parameter {name}: had a default, is required now"
        elif not _accepts(_forms(new[name], after), _forms(old[name], before)):
            yield f"parameter {name}: was {_words(old[name], before)}, is {_words(new[name], after)}"
    for name in new:
        if name not in old and name in required:
            yield f"parameter {name}: is new and required"


_NO_MATTER: Final = frozenset({"title", "description", "default", "examples", "anyOf", "oneOf", "enum", "const"})

_Form = frozenset[tuple[str, str]]


def _accepts(after: set[_Form], before: set[_Form]) -> bool:
    """Whether every form that was taken is still: as it is, or with fewer conditions."""
    return all(any(form <= old or form == _as_number(old) for form in after) for old in before)


def _as_number(form: _Form) -> _Form:
    return frozenset((key, '"number"' if (key, value) == ("type", '"integer"') else value) for key, value in form)


def _forms(about: Json, schema: Json) -> set[_Form]:
    """The alternatives that a parameter takes, each as its conditions: ``int | None`` has two."""
    about = _resolved(about, schema.get("$defs", {}), ())
    alternatives = [*about.get("anyOf", ()), *about.get("oneOf", ())]
    if alternatives:
        return set().union(*(_forms(each, schema) for each in alternatives))
    common = {(key, json.dumps(value, sort_keys=True)) for key, value in about.items() if key not in _NO_MATTER}
    choices = [*about.get("enum", ()), *([about["const"]] if "const" in about else ())]
    if choices:
        return {frozenset({*common, ("const", json.dumps(choice))}) for choice in choices}
    return {frozenset(common)}


def _resolved(value: Any, definitions: Json, within: tuple[str, ...]) -> Any:
    """A schema with what it refers to in the place of the references; one that contains itself ends by its name."""
    if isinstance(value, list):
        return [_resolved(each, definitions, within) for each in value]
    if not isinstance(value, dict):
        return value
    name = str(value.get("$ref", "")).rpartition("/")[2]
    if name and name not in within:
        return _resolved(definitions.get(name, {}), definitions, (*within, name))
    return {key: _resolved(each, definitions, within) for key, each in value.items()}


def _words(about: Json, schema: Json) -> str:
    """A type as people read it: ``integer``, ``string (date)``, ``one of "a", "b"``."""
    forms = sorted(_forms(about, schema), key=sorted)
    choices = [dict(form)["const"] for form in forms if "const" in dict(form)]
    kinds = [_kind({key: json.loads(value) for key, value in form}) for form in forms if "const" not in dict(form)]
    return " or ".join([*([f"one of {', '.join(choices)}"] if choices else []), *kinds])


def _kind(form: Json) -> str:
    kind = str(form.get("type", "anything"))
    conditions = [form["format"]] if "format" in form else []
    conditions += [f"{key} {value}" for key, value in form.items() if isinstance(value, int | float)]
    return f"{kind} ({', '.join(sorted(map(str, conditions)))})" if conditions else kind
