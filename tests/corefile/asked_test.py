#!/usr/bin/python3
"""Corefiles that are served, and what they answer, as CoreDNS documents the directives.

A case is a file `NAME.asked` below asked/: a Corefile, and then questions with what comes back.

    ask NAME TYPE [tcp] [nsid] [class CH] [from ADDRESS]
    RCODE [aa] [tc] [rd]
    [auth:|add:] OWNER TTL TYPE DATA    sorted; a TTL of ~300 is 295 to 300
    ede NUMBER                          Extended DNS Errors (RFC 8914)
    nsid TEXT

`silence` stands where nothing comes back. {$UPSTREAM} and {$SECOND} are two of upstream.py,
{$FILES} is asked/files.

  asked_test.py [--print] [NAME…]     --print: what is answered, in this form
  CLUSTERDNS_PEER=PROGRAM             a CoreDNS instead
"""

import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import upstream
import wire

HERE = pathlib.Path(__file__).resolve().parent
ASKED = HERE / "asked"
PATIENCE = 60
# How long nothing has to come until it is silence.
SILENCE = 0.5
PEER = os.environ.get("CLUSTERDNS_PEER", "")
CLASSES = {"IN": 1, "CH": 3}


class Question:
    def __init__(self, line):
        words = line.split()[1:]
        self.text = " ".join(["ask", *words])
        self.name, self.kind = words[:2]
        self.tcp, self.nsid, self.klass, self.source = False, False, "IN", "127.0.0.1"
        rest = iter(words[2:])
        for word in rest:
            if word in ("tcp", "nsid"):
                setattr(self, word, True)
            elif word == "class":
                self.klass = next(rest)
            elif word == "from":
                self.source = next(rest)
            else:
                raise ValueError(f"'{word}' in '{line}'")


class Case:
    """A file: the Corefile, and (question, lines that are expected) in order."""

    def __init__(self, path):
        corefile, questions = [], []
        for line in path.read_text().splitlines():
            if line.startswith("ask "):
                questions.append((Question(line), []))
            elif questions:
                if line and not line.startswith("#"):
                    questions[-1][1].append(line)
            else:
                corefile.append(line)
        self.questions = questions
        # Nothing listens anywhere else.
        self.corefile = re.sub(r"^(\S.* )?\{$", r"\g<0>\n    bind 127.0.0.1",
                               "\n".join(corefile), flags=re.MULTILINE) + "\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """The program with a Corefile, on a port that it chose itself (a CoreDNS cannot say which)."""

    def __init__(self, corefile, environment):
        self.folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self.folder.name) / "Corefile"
        path.write_text(corefile)
        self.log = open(path.with_name("log"), "w+", encoding="utf-8")
        self.port = free_port() if PEER else 0
        self.process = subprocess.Popen(
            [PEER or os.environ["CLUSTERDNS_BINARY"], "-conf", str(path), "-dns.port",
             str(self.port)], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            env={**os.environ, **environment})
        end = time.monotonic() + PATIENCE
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > end:
                log = self.text()
                self.close()
                raise AssertionError(f"does not serve:\n{log}")
            time.sleep(0.02)

    def text(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8")

    def is_up(self):
        if PEER:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        found = re.search(r"Listening on 127\.0\.0\.1:(\d+) ", self.text())
        self.port = int(found[1]) if found else 0
        return bool(found)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.log.close()
        self.folder.cleanup()

    def ask(self, question):
        """The reply's octets, or None."""
        message = bytearray(wire.query(question.name, question.kind))
        end = 12 + len(wire.encode_name(question.name))
        message[end + 2:end + 4] = struct.pack("!H", CLASSES[question.klass])
        if question.nsid:
            message[-2:] = struct.pack("!HHH", 4, 3, 0)
        kind = socket.SOCK_STREAM if question.tcp else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as s:
            s.settimeout(PATIENCE)
            s.bind((question.source, 0))
            s.connect(("127.0.0.1", self.port))
            if question.tcp:
                s.sendall(struct.pack("!H", len(message)) + message)
                with s.makefile("rb") as stream:
                    return stream.read(struct.unpack("!H", stream.read(2))[0])
            s.send(message)
            if question.silent:
                s.settimeout(SILENCE)
            try:
                return s.recv(65535)
            except socket.timeout:
                return None


def shown(question, reply):
    """The lines that say what came back."""
    if reply is None:
        return ["silence"]
    answer = wire.decode(reply)
    flags = [name for name, bit in (("aa", 0x0400), ("tc", 0x0200), ("rd", 0x0100))
             if struct.unpack_from("!H", reply, 2)[0] & bit]
    lines = [" ".join([answer.rcode, *flags])]
    for section, records in (("", answer.answer), ("auth: ", answer.authority),
                             ("add: ", answer.additional)):
        for r in sorted(records):
            data = r.data
            if r.type == "SRV":  # of whoami: the client's
                data = re.sub(r"^(0 0) \d+ \.$", r"\1 PORT .", data)
            if r.type == "SOA":  # of kubernetes: when the cluster changed last
                data = re.sub(r" \d{10} ", " SERIAL ", data)
            lines.append(f"{section}{r.owner} {r.ttl} {r.type} {data}")
    lines += [f"ede {number}" for number in answer.ede]
    if 3 in answer.options:
        lines.append(f"nsid {answer.options[3].decode('latin-1')}")
    return lines


def agrees(expected, line):
    """Equal, but for a TTL that may have gone down."""
    match = re.search(r" ~(\d+) ", expected)
    if not match:
        return expected == line
    most = int(match[1])
    return any(expected.replace(match[0], f" {ttl} ") == line for ttl in range(most - 5, most + 1))


class Run:
    """One case, served and asked."""

    def __init__(self, name):
        case = Case(ASKED / f"{name}.asked")
        upstreams = [upstream.Upstream(own) for own in ("192.0.2.100", "192.0.2.200")]
        try:
            first, second = (f"127.0.0.1:{each.port}" for each in upstreams)
            server = Server(case.corefile, {"UPSTREAM": first, "SECOND": second,
                                            "FILES": str(ASKED / "files")})
            try:
                self.answers = []
                for question, expected in case.questions:
                    question.silent = expected == ["silence"] or not expected
                    self.answers.append((question, expected,
                                         shown(question, server.ask(question))))
            finally:
                server.close()
        finally:
            for each in upstreams:
                each.close()


def names():
    """Of all cases; a CoreDNS reads no manifests."""
    return sorted(path.stem for path in ASKED.glob("*.asked")
                  if not (PEER and "manifests " in path.read_text()))


class Asked(unittest.TestCase):
    """A test for each case, made below."""

    def check(self, name):
        for question, expected, got in Run(name).answers:
            with self.subTest(question.text):
                same = len(expected) == len(got) and all(map(agrees, expected, got))
                self.assertTrue(same, f"\n{question.text}\nexpected:\n  " + "\n  ".join(expected)
                                + "\ngot:\n  " + "\n  ".join(got))


for each_name in names():
    setattr(Asked, f"test_{each_name}", lambda self, name=each_name: self.check(name))


def main():
    if "--print" in sys.argv:
        for name in sys.argv[2:] or names():
            print(f"# {name}")
            for question, _, got in Run(name).answers:
                print("\n".join([question.text, *got]))
        return
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
