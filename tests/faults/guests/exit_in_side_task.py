"""Exits in a task that nobody awaits."""
# task: succeeded | went on
# process: failed | SystemExit
import asyncio
import sys

async def leave():
    sys.exit(4)

async def run():
    task = asyncio.create_task(leave())
    await asyncio.sleep(0.05)
    return "went on"
