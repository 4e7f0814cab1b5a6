#!/usr/bin/python3
"""Asks names at a steady rate and looks at every answer; says what went wrong when it is told to end.

  load.py HOST PORT RATE < QUESTIONS

QUESTIONS is JSON: [[name, type, [address…]], …]; the answer must be NOERROR with exactly these addresses. An empty
list of addresses: any addresses, but some. Prints `asking` when it begins, and after SIGTERM or SIGINT a line of
JSON: asked, right, lost (no answer within LOST seconds), wrong ([text, count]), and the slowest answer in ms.
A process of its own, so that the tester's own work does not delay it.
"""

import collections
import json
import select
import signal
import socket
import struct
import sys
import time

import wire

# Longer than any resolver waits at first.
LOST = 1.0
SOCKETS = 8


class Load:
    def __init__(self, host, port, rate, questions):
        self.rate = rate
        # The kernel spreads queries over a server's sockets by the client's port.
        self.sockets = []
        for _ in range(SOCKETS):
            s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            s.connect((host, port))
            s.setblocking(False)
            self.sockets.append(s)
        self.questions = [(wire.query(name, kind)[2:], frozenset(right), f"{name} {kind}")
                          for name, kind, right in questions]
        self.pending = collections.OrderedDict()   # (socket, number): (time, question)
        self.wrong = collections.Counter()
        self.when = []                             # of what was lost or wrong, for the caller to see a pattern
        self.asked = self.right = self.lost = 0
        self.slowest = 0.0
        self.ended = False

    def send(self, now):
        number = self.asked & 0xFFFF
        which = self.asked % SOCKETS
        question = self.questions[self.asked % len(self.questions)]
        self.asked += 1
        self.pending[which, number] = (now, question)
        try:
            self.sockets[which].send(struct.pack("!H", number) + question[0])
        except OSError:   # a port that is closed: the answer to an earlier question says so
            pass

    def receive(self, which):
        while True:
            try:
                message = self.sockets[which].recv(65535)
            except BlockingIOError:
                return
            except OSError:   # ICMP: counted as lost when its time is over
                continue
            sent = self.pending.pop((which, struct.unpack_from("!H", message)[0]), None)
            if sent is None:
                continue   # counted as lost already
            began, (_, right, text) = sent
            now = time.monotonic()
            self.slowest = max(self.slowest, now - began)
            try:
                answer = wire.decode(message)
            except wire.Malformed:
                self.fault(now, f"{text}: malformed")
                continue
            got = {r.data for r in answer.answer if r.type in ("A", "AAAA")}
            if answer.rcode == "NOERROR" and (got == right if right else got):
                self.right += 1
            else:
                self.fault(now, f"{text}: {answer.rcode} {sorted(got)}")

    def fault(self, now, text):
        self.wrong[text] += 1
        self.when.append(round(now, 3))

    def expire(self, now):
        while self.pending:
            key, (began, question) = next(iter(self.pending.items()))
            if now - began < LOST:
                return
            del self.pending[key]
            self.lost += 1
            self.when.append(round(began, 3))

    def run(self):
        poll = select.poll()
        for s in self.sockets:
            poll.register(s, select.POLLIN)
        numbers = {s.fileno(): i for i, s in enumerate(self.sockets)}
        began = time.monotonic()
        while not self.ended or self.pending:
            now = time.monotonic()
            if not self.ended:
                # After a pause of ours the rest is asked at once; more than a second of it is not made up for.
                due = int((now - began) * self.rate)
                if due - self.asked > self.rate:
                    began += (due - self.asked) / self.rate
                    due = self.asked
                while self.asked < due:
                    self.send(now)
            self.expire(now)
            wait = max(0.0, (self.asked + 1) / self.rate + began - time.monotonic())
            for descriptor, _ in poll.poll(1 + int(1000 * min(wait, 0.02))):
                self.receive(numbers[descriptor])

    def end(self, *_):
        self.ended = True

    def result(self):
        return {"asked": self.asked, "right": self.right, "lost": self.lost, "wrong": self.wrong.most_common(20),
                "slowest_ms": round(1000 * self.slowest, 3), "when": self.when[:2000]}


def main():
    load = Load(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), json.load(sys.stdin))
    signal.signal(signal.SIGTERM, load.end)
    signal.signal(signal.SIGINT, load.end)
    print("asking", flush=True)
    load.run()
    print(json.dumps(load.result()), flush=True)


if __name__ == "__main__":
    main()
