"""A name server whose answers follow from the first label of what is asked; over UDP and TCP.

    www, chain, long    A, AAAA; chain by way of a CNAME, long with a TTL of 600
    four, both, six     A only, A and AAAA, AAAA only
    none                NXDOMAIN with an SOA record; fail: SERVFAIL
    two                 as `none` in the first one, as others in the second
    options, subnet     TXT with the query's EDNS options
    others              A with the server's own address
"""

import contextlib
import pathlib
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cluster"))
import wire  # noqa: E402

NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def record(owner, kind, ttl, data):
    """One with an uncompressed owner."""
    return (wire.encode_name(owner) + struct.pack("!HHIH", wire.TYPES[kind], 1, ttl, len(data))
            + data)


def address(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def text(value):
    return bytes([len(value)]) + value.encode()


class Upstream:
    """One on 127.0.0.1, on a port of its own."""

    def __init__(self, own):
        self.own = own
        self.second = own.endswith(".200")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.threads = [threading.Thread(target=run, daemon=True)
                        for run in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def close(self):
        for sock in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _serve_udp(self):
        while True:
            try:
                query, client = self.udp.recvfrom(4096)
                if query:
                    self.udp.sendto(self.reply(query), client)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection):
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while len(head := stream.read(2)) == 2:
                reply = self.reply(stream.read(struct.unpack("!H", head)[0]))
                connection.sendall(struct.pack("!H", len(reply)) + reply)

    def reply(self, query):
        asked = wire.decode(query)
        name, kind, _ = asked.question
        kind = wire.NAMES.get(kind, kind)
        first, _, rest = name.lower().partition(".")
        options = asked.options
        has_opt = query[10:12] != b"\0\0"
        rcode, answers, authority, ttl = NOERROR, [], [], 300
        if first == "none" or (first == "two" and not self.second):
            rcode = NXDOMAIN
        elif first == "fail" and not self.second:
            rcode = SERVFAIL
        else:
            ttl = 600 if first == "long" else 300
            owner = name
            if first == "chain":
                owner = "www." + rest
                answers.append(record(name, "CNAME", ttl, wire.encode_name(owner)))
            fixed = first in ("www", "chain", "both", "four", "long")
            if kind == "A" and first != "six":
                answers.append(record(owner, "A", ttl,
                                      address("192.0.2.80" if fixed else self.own)))
            elif kind == "AAAA" and first in ("www", "chain", "both", "six"):
                answers.append(record(owner, "AAAA", ttl, address("2001:db8::80")))
            elif kind == "TXT" and first in ("options", "subnet"):
                said = [f"{code}:{data.hex()}" for code, data in sorted(options.items())
                        if code != 10]  # a cookie is nobody's business here
                answers.append(record(owner, "TXT", ttl, text(" ".join(said))))
        if rcode == NXDOMAIN or (rcode == NOERROR and not answers):
            authority.append(record(rest or ".", "SOA", 60, wire.encode_name("ns." + rest)
                                    + wire.encode_name("admin." + rest)
                                    + struct.pack("!5I", 1, 3600, 600, 86400, 60)))
        end = 12
        while query[end]:
            end += 1 + query[end]
        flags = 0x8080 | (struct.unpack_from("!H", query, 2)[0] & 0x0100) | rcode
        message = query[:2] + struct.pack("!5H", flags, 1, len(answers), len(authority),
                                          1 if has_opt else 0)
        message += query[12:end + 5] + b"".join(answers) + b"".join(authority)
        if has_opt:
            message += b"\0" + struct.pack("!HHIH", wire.TYPES["OPT"], 1232, 0, 0)
        return message
