# cron: */5 * * * *
"""Ask the shop's own routes, all at once."""

import asyncio
import os
import time

import httpx

ROUTES = ("/health", "/products?limit=3", "/quote?product=7&quantity=3", "/orders/1")


async def run(seconds: float = 5.0) -> list[dict]:
    async with httpx.AsyncClient(base_url=os.environ["SHOP_URL"], timeout=seconds) as client:
        return await asyncio.gather(*(probe(client, route) for route in ROUTES))


async def probe(client: httpx.AsyncClient, route: str) -> dict:
    begin = time.perf_counter()
    try:
        status = str((await client.get(route)).status_code)
    except httpx.HTTPError as error:
        status = type(error).__name__
    took = (time.perf_counter() - begin) * 1000
    print(f"{route}: {status} in {took:.0f} ms")
    return {"route": route, "status": status, "ms": round(took, 1)}
