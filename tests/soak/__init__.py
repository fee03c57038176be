"""Lets one process work for hours, with a commit and runs each second and faults between, and sees what grows."""
