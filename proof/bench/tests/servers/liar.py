"""A server that does one thing wrong, to see that it is noticed.

    liar.py PORT stream|oneshot BACKLOG

What it does wrong is in its own file name, `liar-LIE.py`.
"""

import pathlib
import socket
import sys
import threading

LIE = pathlib.Path(sys.argv[0]).stem.split("-")[1]


def answer(connection, line):
    if LIE == "byte":
        connection.sendall(line[:40] + bytes([line[40] ^ 1]) + line[41:])
    elif LIE == "twice":
        connection.sendall(line + line)
    elif LIE == "short":
        connection.sendall(line[:-1])
    elif LIE == "stale":
        connection.sendall(b"0" * 24 + line[24:])
    elif LIE == "mute":
        pass


def serve(connection):
    with connection:
        line = connection.recv(65536)
        if line:
            answer(connection, line)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=int(sys.argv[3]))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
