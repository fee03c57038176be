"""The webhook of a Git host: whatever it says, it only means that the repository is to be looked at now."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from livegraft.access import Access

router = APIRouter()

MOST_BYTES: Final = 32 << 20
"""GitHub sends 25 MB at most."""


@router.post("/webhook", name="webhook")
async def webhook(request: Request) -> Response:
    """202 for what is signed with the secret, or carries it, and 401 for everything else; no answer has a body.

    GitHub, Gitea and Forgejo sign (``X-Hub-Signature-256``), GitLab sends the secret itself (``X-Gitlab-Token``). What
    is sent is not parsed: many calls at once are one look.
    """
    access: Access = request.app.state.access
    signature, byte_count = access.webhook_signature(), 0
    async for piece in request.stream():
        byte_count += len(piece)
        if byte_count > MOST_BYTES:
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        signature.update(piece)
    if not _is_known(request.headers, f"sha256={signature.hexdigest()}", access.webhook_secret):
        return Response(status_code=HTTPStatus.UNAUTHORIZED)
    await run_in_threadpool(request.app.state.supervisor.poke)
    return Response(status_code=HTTPStatus.ACCEPTED)


def _is_known(headers: Mapping[str, str], signature: str, secret: str) -> bool:
    signed = hmac.compare_digest(headers.get("x-hub-signature-256", "").encode(), signature.encode())
    told = hmac.compare_digest(headers.get("x-gitlab-token", "").encode(), secret.encode())
    return signed or told
