"""Leaves a task behind."""
# task: succeeded | left behind 1 task, which was cancelled: sleeper
# process: succeeded
import asyncio

async def run():
    asyncio.create_task(asyncio.sleep(60), name="sleeper")
    await asyncio.sleep(0)
