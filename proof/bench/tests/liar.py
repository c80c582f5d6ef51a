#!/usr/bin/env python3
"""A server that does one thing wrong, to see that it is noticed.

    liar-LIE/c-epoll PORT lines|oneshot|bytes BACKLOG
"""

import contextlib
import pathlib
import socket
import sys
import threading

LIE = pathlib.Path(sys.argv[0]).parent.name.removeprefix("liar-")


def answer(connection, line):
    if LIE == "byte":
        connection.sendall(line[:40] + bytes([line[40] ^ 1]) + line[41:])
    elif LIE == "twice":
        connection.sendall(line + line)
    elif LIE == "short":
        connection.sendall(line[:-1])
    elif LIE == "stale":
        connection.sendall(line[:13] + b"9" + line[14:])


def serve(connection):
    with connection, contextlib.suppress(ConnectionError):
        line = connection.recv(65536)
        if line:
            answer(connection, line)
        # A close while more input comes would be a reset, which destroys the lie.
        while LIE != "short" and connection.recv(65536):
            pass


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=int(sys.argv[3]))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
