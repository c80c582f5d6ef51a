"""An echo server on asyncio protocols, or on uvloop's.

    asyncio_echo.py PORT lines|oneshot|bytes BACKLOG [uvloop]
"""

import asyncio
import socket
import sys

MESSAGE_BYTES_MAX = 16384


class EchoBytes(asyncio.Protocol):
    """Echoes what comes."""

    __slots__ = ("transport",)

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class EchoLines(EchoBytes):
    """Echoes whole lines; the start of a line waits for its end."""

    __slots__ = ("oneshot", "partial")

    def __init__(self, oneshot):
        self.oneshot = oneshot
        self.partial = b""

    def data_received(self, data):
        if self.partial:
            data = self.partial + data
        end = (data.find(b"\n") if self.oneshot else data.rfind(b"\n")) + 1
        if end:
            self.transport.write(data if end == len(data) else data[:end])
            if self.oneshot:
                self.transport.close()
                return
        self.partial = data[end:]
        if len(self.partial) >= MESSAGE_BYTES_MAX:
            self.transport.close()


async def serve(port, behaviour, backlog):
    listener = socket.create_server(("127.0.0.1", port), backlog=backlog)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.get_running_loop()
    make = EchoBytes if behaviour == "bytes" else lambda: EchoLines(behaviour == "oneshot")
    server = await loop.create_server(make, sock=listener, backlog=backlog)
    await server.serve_forever()


def main():
    port, behaviour, backlog = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    job = serve(port, behaviour, backlog)
    if sys.argv[4:] == ["uvloop"]:
        import uvloop

        uvloop.run(job)
    else:
        asyncio.run(job)


main()
