"""DNS messages for the tests of tests/cluster: questions out, answers in, and a client for both transports.

Written by hand and small: thousands of questions a second must not cost a core.
"""

import collections
import random
import select
import socket
import struct
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
         "OPT": 41, "HTTPS": 65, "ANY": 255}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
# What we say we can receive.
PAYLOAD = 1232

Record = collections.namedtuple("Record", "owner type ttl data")


class Malformed(Exception):
    """A message that cannot be read to its end."""


class Answer:
    """A response, decoded. Names end with a dot and keep their letters; `data` is presentation format."""

    __slots__ = ("rcode", "aa", "tc", "ra", "question", "answer", "authority", "additional", "ede", "options",
                 "size")

    def addresses(self):
        return sorted(r.data for r in self.answer if r.type in ("A", "AAAA"))

    def datas(self, kind):
        return sorted(r.data for r in self.answer if r.type == kind)

    def __repr__(self):
        parts = [self.rcode] + (["AA"] if self.aa else []) + (["TC"] if self.tc else [])
        for name, section in (("", self.answer), ("auth ", self.authority), ("add ", self.additional)):
            parts += [f"{name}{r.owner} {r.ttl} {r.type} {r.data}" for r in section]
        return " | ".join(parts)


def encode_name(name):
    """`a.b.` or `a.b`; a backslash takes the next character as it is. Raises ValueError for what does not fit."""
    out, label, escaped = bytearray(), bytearray(), False
    for char in name + ("" if name.endswith(".") else "."):
        if escaped:
            label += char.encode("latin-1")
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ".":
            if not label and name not in (".", ""):
                raise ValueError(f"{name}: an empty label")
            if len(label) > 63:
                raise ValueError(f"{name}: a label of {len(label)} octets")
            if label:
                out += bytes([len(label)]) + label
            label = bytearray()
        else:
            label += char.encode("latin-1")
    if len(out) > 254:
        raise ValueError(f"{name}: {len(out) + 1} octets")
    return bytes(out) + b"\0"


def query(name, kind="A", number=None, edns=True, recursion=True):
    number = random.getrandbits(16) if number is None else number
    kind = TYPES[kind] if isinstance(kind, str) else kind
    message = struct.pack("!6H", number, 0x0100 if recursion else 0, 1, 0, 0, 1 if edns else 0)
    message += encode_name(name) + struct.pack("!HH", kind, 1)
    return message + (b"\0" + struct.pack("!HHIH", TYPES["OPT"], PAYLOAD, 0, 0) if edns else b"")


def _name(message, at):
    labels, after, hops = [], None, 0
    while True:
        length = message[at]
        if length >= 0xC0:
            after = at + 2 if after is None else after
            at = (length & 0x3F) << 8 | message[at + 1]
            hops += 1
            if hops > 40:
                raise Malformed("a loop of compression pointers")
        elif length == 0:
            return ".".join(labels) + ".", (at + 1 if after is None else after)
        else:
            label = message[at + 1:at + 1 + length].decode("latin-1")
            labels.append(label.replace("\\", "\\\\").replace(".", "\\."))
            at += 1 + length


def _data(message, kind, at, length):
    if kind == TYPES["A"]:
        return socket.inet_ntop(socket.AF_INET, message[at:at + 4])
    if kind == TYPES["AAAA"]:
        return socket.inet_ntop(socket.AF_INET6, message[at:at + 16])
    if kind in (TYPES["CNAME"], TYPES["NS"], TYPES["PTR"]):
        return _name(message, at)[0]
    if kind == TYPES["MX"]:
        return "%d " % struct.unpack_from("!H", message, at) + _name(message, at + 2)[0]
    if kind == TYPES["SRV"]:
        return "%d %d %d " % struct.unpack_from("!3H", message, at) + _name(message, at + 6)[0]
    if kind == TYPES["SOA"]:
        primary, at = _name(message, at)
        mailbox, at = _name(message, at)
        return f"{primary} {mailbox} " + " ".join(map(str, struct.unpack_from("!5I", message, at)))
    if kind == TYPES["TXT"]:
        texts, end = [], at + length
        while at < end:
            texts.append('"' + message[at + 1:at + 1 + message[at]].decode("latin-1") + '"')
            at += 1 + message[at]
        return " ".join(texts)
    return message[at:at + length].hex()


def decode(message):
    try:
        number, flags, *counts = struct.unpack_from("!6H", message)
        answer, at = Answer(), 12
        answer.rcode = RCODES.get(flags & 15, str(flags & 15))
        answer.aa, answer.tc, answer.ra = bool(flags & 0x0400), bool(flags & 0x0200), bool(flags & 0x0080)
        answer.question, answer.ede, answer.options, answer.size = None, [], {}, len(message)
        for _ in range(counts[0]):
            name, at = _name(message, at)
            answer.question = (name, *struct.unpack_from("!HH", message, at))
            at += 4
        sections = []
        for count in counts[1:]:
            section = []
            for _ in range(count):
                owner, at = _name(message, at)
                kind, _, ttl, length = struct.unpack_from("!HHIH", message, at)
                at += 10
                if at + length > len(message):
                    raise Malformed("a record beyond the end")
                if kind == TYPES["OPT"]:
                    option = at
                    while option + 4 <= at + length:
                        code, size = struct.unpack_from("!HH", message, option)
                        answer.options[code] = message[option + 4:option + 4 + size]
                        if code == 15:
                            answer.ede.append(struct.unpack_from("!H", message, option + 4)[0])
                        option += 4 + size
                else:
                    section.append(Record(owner, NAMES.get(kind, f"TYPE{kind}"), ttl,
                                          _data(message, kind, at, length)))
                at += length
            sections.append(section)
        answer.answer, answer.authority, answer.additional = sections
        return answer
    except (struct.error, IndexError, ValueError) as e:
        raise Malformed(f"{e}: {message.hex()}") from e


class Client:
    """Asks one server, over one UDP socket and, after TC, over TCP. One thread at a time."""

    def __init__(self, port, host="127.0.0.1"):
        self.address = (host, port)
        self.udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.connect(self.address)

    def close(self):
        self.udp.close()

    def exchange(self, message, timeout):
        """The response to `message` over UDP, or None."""
        try:
            self.udp.send(message)
            end = time.monotonic() + timeout
            while (left := end - time.monotonic()) > 0 and select.select([self.udp], [], [], left)[0]:
                response = self.udp.recv(65535)
                if response[:2] == message[:2]:
                    return response
        except ConnectionError:  # nobody listens (yet)
            pass
        return None

    def ask(self, name, kind="A", timeout=5.0, tries=3, edns=True):
        """The answer, over TCP when it was truncated; None when there is none."""
        message = query(name, kind, edns=edns)
        for _ in range(tries):
            response = self.exchange(message, timeout / tries)
            if response is not None:
                answer = decode(response)
                return self.ask_tcp(name, kind, timeout) if answer.tc else answer
        return None

    def ask_tcp(self, name, kind="A", timeout=5.0):
        message = query(name, kind)
        try:
            with socket.create_connection(self.address, timeout=timeout) as s:
                s.sendall(struct.pack("!H", len(message)) + message)
                stream = s.makefile("rb")
                length = struct.unpack("!H", stream.read(2))[0]
                return decode(stream.read(length))
        except (OSError, struct.error):
            return None

    def ask_all(self, questions, window=64, timeout=5.0):
        """{question: answer or None} for many (name, type), `window` of them under way at once."""
        result, pending, waiting = {}, {}, list(dict.fromkeys(questions))
        waiting.reverse()
        number = random.getrandbits(16)
        while waiting or pending:
            while waiting and len(pending) < window:
                question = waiting.pop()
                number = (number + 1) & 0xFFFF
                self.udp.send(query(*question, number=number))
                pending[number] = (question, time.monotonic() + timeout)
            if select.select([self.udp], [], [], 0.2)[0]:
                message = self.udp.recv(65535)
                question, _ = pending.pop(struct.unpack_from("!H", message)[0], (None, None))
                if question is not None:
                    answer = decode(message)
                    result[question] = self.ask_tcp(*question) if answer.tc else answer
                continue
            now = time.monotonic()
            for late in [n for n, (_, end) in pending.items() if end < now]:
                question, _ = pending.pop(late)
                result[question] = self.ask(*question, timeout=timeout)
        return result
