"""One client in one scenario, in a network of its own: `run` starts this as the first program of a new network and
mount namespace. Reads what to do from standard input and writes what happened to standard output, as JSON.

Nothing waits for a time to pass: programs are waited for until they say or show that they are ready."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time

import clients
import scenarios

CONSOLE = 5380
START = 60      # seconds a program may take to be ready
PATIENCE = 15   # seconds of one question to a resolver
STUB_LIMIT = 240  # seconds of all look-ups of a stub
TYPES = {"A": 1, "AAAA": 28}


class Failed(Exception):
    """The measurement, not what is measured."""


def network(servers):
    """Loopback, and an address of each family beside it: getaddrinfo() asks for families there are addresses of."""
    for words in (["link", "set", "lo", "up"], ["address", "add", "192.0.2.10/32", "dev", "lo"],
                  ["address", "add", "2001:db8:1::10/128", "dev", "lo", "nodad"],
                  # BIND listens on what an interface has, and nowhere else.
                  ["address", "add", f"{clients.RESOLVER}/32", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)
    for path, content in (("/etc/resolv.conf", "".join(f"nameserver {each}\n" for each in servers)),
                          ("/etc/nsswitch.conf", "hosts: dns\n")):
        own = clients.text(".", path.split("/")[-1], content)
        subprocess.run(["mount", "--bind", own.resolve(), path], check=True)


@contextlib.contextmanager
def running(command, log):
    with open(log, "wb") as file:
        process = subprocess.Popen([str(word) for word in command], stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(ready, process, what, log):
    """Asks again and again; what was refused at once is asked again when the process ends or soon."""
    end = time.monotonic() + START
    ended = os.pidfd_open(process.pid)
    try:
        while not ready():
            if select.select([ended], [], [], 0.02)[0] or time.monotonic() > end:
                raise Failed(f"{what} does not answer: {pathlib.Path(log).read_text(errors='replace')[-600:]}")
    finally:
        os.close(ended)


def api(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", CONSOLE, timeout=START)
    connection.request(method, "/api/v1/" + path, body)
    reply = connection.getresponse()
    content = reply.read()
    if reply.status >= 300:
        raise Failed(f"{method} {path}: {reply.status} {content[:200]!r}")
    return json.loads(content) if content else None


def api_answers():
    try:
        api("GET", "evidence")
    except OSError:
        return False
    return True


# ---- what asks resolvers: without EDNS, as C libraries do, each question once, and patiently ----

def wire(name, rrtype, number):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", TYPES[rrtype], 1)


def skip_name(message, at):
    while message[at]:
        if message[at] & 0xC0:
            return at + 2
        at += message[at] + 1
    return at + 1


def addresses_in(message):
    """Of the answer section."""
    questions, answers = struct.unpack("!HH", message[4:8])
    at, found = 12, []
    for _ in range(questions):
        at = skip_name(message, at) + 4
    for _ in range(answers):
        at = skip_name(message, at)
        rrtype, _, _, size = struct.unpack("!HHIH", message[at:at + 10])
        data = message[at + 10:at + 10 + size]
        at += 10 + size
        if rrtype in TYPES.values():
            found.append(socket.inet_ntop(socket.AF_INET if rrtype == 1 else socket.AF_INET6, data))
    return found


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("the connection has ended")
        data += more
    return data


def over_tcp(query, timeout):
    with socket.create_connection((clients.RESOLVER, 53), timeout) as connection:
        connection.sendall(struct.pack("!H", len(query)) + query)
        return read_exactly(connection, struct.unpack("!H", read_exactly(connection, 2))[0])


def question(name, rrtypes, timeout=PATIENCE):
    """Asks for all of these side by side, each once. (state, addresses)."""
    waiting, found, states = {}, [], {}
    end = time.monotonic() + timeout
    with contextlib.ExitStack() as sockets:
        for rrtype in rrtypes:
            udp = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.connect((clients.RESOLVER, 53))
            query = wire(name, rrtype, random.getrandbits(16))
            states[rrtype] = "no answer"
            try:
                udp.send(query)
                waiting[udp] = (rrtype, query)
            except OSError as e:
                states[rrtype] = e.strerror
        while waiting and (left := end - time.monotonic()) > 0:
            for udp in select.select(list(waiting), [], [], left)[0]:
                rrtype, query = waiting[udp]
                try:
                    message = udp.recv(65535)
                    if len(message) < 12 or message[:2] != query[:2]:
                        continue
                    if message[2] & 2:
                        message = over_tcp(query, max(0.1, end - time.monotonic()))
                    rcode = message[3] & 15
                    states[rrtype] = "ok" if rcode == 0 else {2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}.get(rcode, str(rcode))
                    found += addresses_in(message)
                except OSError as e:
                    states[rrtype] = str(e)
                del waiting[udp]
    return states[rrtypes[-1] if "A" not in rrtypes else "A"], found


def ask_resolver(scenario):
    for name in scenario.names():
        begin = time.monotonic()
        if scenario.aaaa_first:
            _, first = question(name, ["AAAA"])
            state, found = question(name, ["A"])
            found += first
        else:
            state, found = question(name, ["A", "AAAA"])
        yield name, state, found, (time.monotonic() - begin) * 1e3


def ask_stub(stub, folder, scenario):
    """Its lines; a look-up that has none by the limit has not ended."""
    process = subprocess.Popen([str(word) for word in stub.command(folder, scenario.names())], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=STUB_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    lines = list(stub.parse(out))
    if not lines and process.returncode not in (0, -signal.SIGKILL):
        raise Failed(f"{stub.name}: exit code {process.returncode}: {err[-400:]}")
    told = {line[0]: line for line in lines}
    for name in scenario.names():
        yield told.get(name, (name, f"did not end within {STUB_LIMIT} s in all", [], None))


# ---- what came of it ----

def verdict(scenario, index, found):
    """all, some or none of the right IPv4 addresses; wrong: an address that nobody has given."""
    v4 = {address for address in found if ":" not in address}
    expected = scenario.expected(index)
    wrong = v4 - expected
    if wrong:
        return "wrong"
    return "none" if not v4 else "all" if v4 == expected else "some"


def add_up(evidence, zone):
    """What the servers were asked below `zone`."""
    total = {"queries": 0, "udp": 0, "tcp": 0, "same_id_port": 0, "same_port": 0, "new_port": 0, "repeats": 0, "after_tc": 0,
             "after_silence": 0, "intervals_ms": []}
    for client in evidence["clients"]:
        for name in client["names"]:
            if not name["name"].endswith("." + zone + "."):
                continue
            for key in ("queries", "udp", "tcp", "repeats"):
                total[key] += name[key]
            for key in ("same_id_port", "same_port", "new_port"):
                total[key] += name["retries"][key]
            for key in ("after_tc", "after_silence"):
                total[key] += name["tcp_fallback"][key]
            total["intervals_ms"] += name["retries"]["intervals_ms"]
    return total


def measure(client, scenario, folder):
    addresses = (scenarios.FIRST, scenarios.SECOND)[:scenario.servers]
    network(addresses)
    server = [os.environ["CLUSTERDNS_BINARY"], "-conf", clients.text(".", "Corefile", scenario.corefile())]
    with contextlib.ExitStack() as programs:
        process = programs.enter_context(running(server, "server.log"))
        wait_until(api_answers, process, "the server", "server.log")
        if client.kind == "resolver":
            process = programs.enter_context(running(client.command(pathlib.Path.cwd(), addresses), "client.log"))
            wait_until(lambda: question("ready.bench.test", ["A"], 1)[1], process, client.name, "client.log")
        if scenario.flap:
            api("PUT", "scenarios/flap", scenarios.FLAPPING)
            api("POST", "scenarios/flap/start")
        api("DELETE", "evidence")
        ask = ask_resolver(scenario) if client.kind == "resolver" else ask_stub(client, folder, scenario)
        lookups = [{"verdict": verdict(scenario, index, found), "state": state, "ms": ms, "addresses": len(set(found))}
                   for index, (_, state, found, ms) in enumerate(ask)]
        return {"lookups": lookups, "evidence": add_up(api("GET", "evidence"), scenario.zone)}


def main():
    wanted = json.load(sys.stdin)
    os.chdir(wanted["folder"])
    try:
        result = measure(clients.by_name(wanted["client"]), scenarios.by_name(wanted["scenario"]),
                         pathlib.Path(wanted["programs"]))
    except (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError) as e:
        result = {"problem": f"{type(e).__name__}: {e}"}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
