"""A TCP proxy in front of the API server that a test can break in every way a network breaks."""

import asyncio
import socket
import threading

CHUNK = 65536


class Proxy:
    """Listens on a port of loopback. Runs in a thread of its own; every method may be called from any other.

    pass_through()  as if it were not there
    black_hole()    nothing passes in either direction, no FIN and no RST; new connections are accepted, and hang
    pass_new()      after black_hole(): new connections pass, the old ones stay as they are
    refuse()        new connections get RST
    cut()           RST for every open connection
    throttle(rate)  octets per second and connection towards the client
    """

    def __init__(self, port, listening=None):
        """port: of the API server. listening: a socket to use instead of one of our own."""
        self.target = port
        self.listening = listening
        self.loop = asyncio.new_event_loop()
        self.listener = None
        self.open = set()
        self.accepted = 0
        self.rate = None
        self.flow = None           # asyncio.Event: clear while a black hole
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.started = threading.Event()
        self.port = None
        self.thread.start()
        self.started.wait()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.flow = asyncio.Event()
        self.flow.set()
        self.loop.run_until_complete(self._listen())
        self.started.set()
        self.loop.run_forever()

    async def _listen(self):
        where = {"sock": self.listening.dup()} if self.listening else {"host": "127.0.0.1", "port": self.port or 0}
        self.listener = await asyncio.start_server(self._serve, limit=CHUNK, **where)
        self.port = self.listener.sockets[0].getsockname()[1]

    def _do(self, what):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    async def _serve(self, reader, writer):
        self.accepted += 1
        mine = [writer]
        self.open.add(writer)
        flow = self.flow
        try:
            await flow.wait()
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
            mine.append(up_writer)
            self.open.add(up_writer)
            both = [asyncio.ensure_future(self._copy(reader, up_writer, flow, False)),
                    asyncio.ensure_future(self._copy(up_reader, writer, flow, True))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
        except OSError:
            pass
        finally:
            for each in mine:
                self.open.discard(each)
                each.close()

    async def _copy(self, reader, writer, flow, to_client):
        try:
            while True:
                data = await reader.read(4096 if self.rate and to_client else CHUNK)
                if not data:
                    return
                await flow.wait()
                writer.write(data)
                await writer.drain()
                if self.rate and to_client:
                    await asyncio.sleep(len(data) / self.rate)
        except OSError:
            return

    def pass_through(self):
        async def act():
            self.rate = None
            self.flow.set()
            if not self.listener.is_serving():
                await self._listen()
        self._do(act())

    def black_hole(self):
        async def act():
            self.flow.clear()
        self._do(act())

    def pass_new(self):
        async def act():
            self.flow = asyncio.Event()
            self.flow.set()
        self._do(act())

    def throttle(self, rate):
        self.rate = rate

    def refuse(self):
        async def act():
            self.listener.close()
        self._do(act())

    def cut(self):
        async def act():
            for writer in list(self.open):
                # No lingering: RST, so that the client sees it at once.
                raw = writer.get_extra_info("socket")
                if raw is not None:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                writer.transport.abort()
        self._do(act())

    def close(self):
        async def act():
            self.listener.close()
            mine = asyncio.all_tasks() - {asyncio.current_task()}
            for task in mine:
                task.cancel()
            await asyncio.gather(*mine, return_exceptions=True)
        self.cut()
        self._do(act())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
