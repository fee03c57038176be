"""Has all new sockets time out after a millisecond."""
# thread, task: succeeded | changed the default timeout of sockets
# process: succeeded
import socket

def run():
    socket.setdefaulttimeout(0.001)
