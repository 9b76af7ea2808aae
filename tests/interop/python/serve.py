"""What both servers share: a free port on loopback, one line that says where, and an end when standard input closes."""

import json
import os
import socket
import sys
import threading


def listen(port):
    """A socket on this port of 127.0.0.1, or on a free one for 0."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


def end_with_standard_input():
    """A test that ends, however, closes the pipe."""

    def watch():
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def say(**members):
    print(json.dumps(members), flush=True)
