"""Scripts that do not want to end."""

THREAD = """
import time

def run():
    while True:
        try:
            time.sleep(0.05)
        except BaseException:
            pass
"""
TASK = """
import asyncio

async def run():
    while True:
        try:
            await asyncio.sleep(0.05)
        except BaseException:
            pass
"""
