"""The address that a server listens on."""

from __future__ import annotations

import asyncio
import socket

from livegraft.cli.listening import listen


def test_answers_are_sent_at_once_on_connections_that_are_kept() -> None:
    async def option_of_a_connection() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sock = writer.get_extra_info("socket")
            told.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        server = await asyncio.start_server(accepted, sock=address)
        async with server:
            _, writer = await asyncio.open_connection(*address.getsockname()[:2])
            found = await told
            writer.close()
            await writer.wait_closed()
        return found

    with listen("127.0.0.1:0") as address:
        assert asyncio.run(option_of_a_connection()) != 0
