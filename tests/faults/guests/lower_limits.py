"""Takes the host's right to open files."""
# thread, task: succeeded | changed resource limits of the process: RLIMIT_NOFILE
# process: succeeded
import resource

def run():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
