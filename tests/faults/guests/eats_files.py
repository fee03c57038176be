"""Opens files without end."""
# header: open-files = 40
# process: failed | Too many open files
def run():
    return [open("/dev/null") for _ in range(10_000)]
