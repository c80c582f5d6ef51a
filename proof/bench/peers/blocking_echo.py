"""The beginner's server: one connection at a time, one read of up to 1024 bytes, one reply.

    blocking_echo.py PORT oneshot BACKLOG [log]

With `log` it writes three lines a message to stderr, as beginners' servers do.
"""

import logging
import socket
import sys


def serve(listener, log):
    while True:
        log("Proceed to accept new connections")
        connection, address = listener.accept()
        log("Got connection from %s", address)
        try:
            message = connection.recv(1024)
            log("Message received from connection %s. Msg: %s", address, message)
            connection.send(message)
        except OSError:
            log("Error while talking to %s", address)
        finally:
            connection.close()


def silent(*_):
    pass


def main():
    port, backlog = int(sys.argv[1]), int(sys.argv[3])
    logging.basicConfig(
        format="%(asctime)s %(levelname)-8s %(message)s",
        level=logging.INFO,
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    listener = socket.create_server(("127.0.0.1", port), backlog=backlog)
    serve(listener, logging.info if sys.argv[4:] == ["log"] else silent)


main()
