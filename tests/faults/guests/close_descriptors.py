"""Closes all descriptors, those of livegraft too."""
# process: failed | its process ended
import os

def run():
    os.closerange(0, 1000)
    return "unheard"
