"""Shared data: the names, the values under one of them, and deleting what nobody needs."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.web.session import SignedIn
from livegraft.web.visit import Sent

router = APIRouter()

PAGE_COUNT: Final = 100

SHOWN_CHARACTERS: Final = 400
"""How much of a value is shown; the API has all of it."""


@router.get("/shared", name="shared")
def shared(visit: SignedIn) -> Response:
    return visit.page("shared.html", names=visit.supervisor.shared.names())


@router.get("/shared/{name:path}", name="shared_name")
def shared_name(visit: SignedIn, name: str, after: str | None = None) -> Response:
    about, found = visit.supervisor.find_shared(name, after=after, limit=PAGE_COUNT + 1)
    shown = found[:PAGE_COUNT]
    more = shown[-1].key if len(found) > PAGE_COUNT else ""
    return visit.page("shared_name.html", about=about, values=shown, after=after, more=more, most=SHOWN_CHARACTERS)


@router.post("/shared/{name:path}/delete", name="delete_shared_key")
def delete_key(visit: SignedIn, name: str, sent: Sent) -> Response:
    visit.supervisor.delete_shared(name, str(sent.get("key", "")), actor=visit.actor)
    if visit.supervisor.shared.find(name) is None:
        return visit.to("shared")
    return visit.to("shared_name", name=name)


@router.post("/shared/{name:path}/clear", name="delete_shared_name")
def delete_name(visit: SignedIn, name: str) -> Response:
    visit.supervisor.delete_shared(name, actor=visit.actor)
    return visit.to("shared")
