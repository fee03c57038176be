"""Writes nonsense where livegraft listens."""
# process: succeeded
import os

def run():
    for descriptor in range(3, 40):
        try:
            os.write(descriptor, b'["outcome", 3, {}]\n[[[[\n')
        except OSError:
            pass
