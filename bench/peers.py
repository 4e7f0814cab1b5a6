"""The servers that are measured side by side. Each answers the same names (bench/synthetic_cluster.py)
from one thread, or as near to that as it lets itself be set."""

import os
import pathlib
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

import machine
from synthetic_cluster import ZONE

sys.path.insert(0, str(machine.ROOT / "tests/support"))
from ports import free_port  # noqa: E402

RRTYPES = {"A": 1, "SOA": 6, "PTR": 12, "AAAA": 28, "SRV": 33}


class Wrong(Exception):
    pass


def ask(port, name, rrtype, timeout=1.0, tcp=False):
    """(rcode, records in the answer section, records in the additional section), or None."""
    number = random.getrandbits(16)
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.rstrip(".").split("."))
    query = struct.pack("!6H", number, 0x0100, 1, 0, 0, 1) + labels + b"\0" + struct.pack("!HH", RRTYPES[rrtype], 1)
    query += b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as s:
        s.settimeout(timeout)
        try:
            s.connect(("127.0.0.1", port))
            s.sendall(struct.pack("!H", len(query)) + query if tcp else query)
            response = s.recv(65535)
            if tcp:
                response = response[2:]
        except OSError:
            return None
    if len(response) < 12 or response[:2] != query[:2] or not response[2] & 0x80:
        return None
    _, _, _, answers, _, additional = struct.unpack("!6H", response[:12])
    return response[3] & 15, answers, additional, response


class Server:
    """A program on a port of its own. Subclasses say how it is configured and called."""

    name = ""
    program = ""
    versions = ()      # command that prints the version
    echo = False       # answers nothing, so nothing is checked
    has_ptr = True

    def __init__(self, build, folder):
        self.build, self.folder = build, pathlib.Path(folder)
        self.port = free_port()
        self.own = self.folder / f"server.{self.name.replace(' ', '-')}"
        self.own.mkdir(exist_ok=True)
        self.process = None
        self.core = machine.SERVER_CORE

    @classmethod
    def find(cls):
        return shutil.which(cls.program, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")

    @classmethod
    def version(cls):
        text = machine.output_of(cls.find() or cls.program, *cls.versions)
        match = re.search(r"\d+\.\d+[\w.]*", text)
        return match[0] if match else "?"

    def command(self):
        raise NotImplementedError

    def text(self, name, content):
        path = self.own / name
        path.write_text(content)
        return str(path)

    def start(self, before=(), wait=60):
        """Starts it pinned to its core and returns when it answers."""
        log = open(self.own / "log", "w")
        self.process = subprocess.Popen([*machine.pin(self.core), *before, *map(str, self.command())],
                                        stdout=log, stderr=log, cwd=self.own)
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if self.ready():
                return self.process
            time.sleep(0.05)
        self.stop()
        raise Wrong(f"{self.name} does not answer; {self.own}/log says:\n" + (self.own / "log").read_text()[-1500:])

    def ready(self):
        reply = ask(self.port, ZONE, "SOA", timeout=0.3)
        return reply is not None and (self.echo or reply[0] in (0, 3))

    def pid(self):
        return self.process.pid

    def stop(self, _=None):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def check(self, cluster):
        """Raises Wrong unless the answers are right; nothing else is worth timing."""
        if self.echo:
            return
        plain, headless = cluster.service(0), cluster.service(9)

        def expect(name, rrtype, rcode, answers):
            for _ in range(3):
                reply = ask(self.port, name, rrtype)
                if reply:
                    break
            if reply is None or reply[:2] != (rcode, answers):
                raise Wrong(f"{self.name}: {name} {rrtype}: rcode and answers "
                            f"{reply[:2] if reply else 'none'}, expected {(rcode, answers)}")
            return reply[3]

        octets = bytes(map(int, plain.cluster_ip.split(".")))
        if octets not in expect(plain.fqdn, "A", 0, 1):
            raise Wrong(f"{self.name}: {plain.fqdn} is not {plain.cluster_ip}")
        message = expect(headless.fqdn, "A", 0, len(headless.endpoints))
        for e in headless.endpoints:
            if bytes(map(int, cluster.pod_ip(e).split("."))) not in message:
                raise Wrong(f"{self.name}: {headless.fqdn} lacks {cluster.pod_ip(e)}")
        expect(plain.fqdn, "AAAA", 0, 0)
        expect(f"www.example.com.{plain.namespace}.svc.{ZONE}", "A", 3, 0)
        expect(f"_http._tcp.{plain.fqdn}", "SRV", 0, 1)


class Echo(Server):
    name = "bare echo"
    program = "bench_echo"
    echo = True

    def command(self):
        return [self.build / "bench" / "bench_echo", self.port]

    @classmethod
    def version(cls):
        return "recvmmsg/sendmmsg, 64 at a time"


class Upstream(Echo):
    """What forwarders ask."""
    name = "upstream"

    def __init__(self, build, folder):
        super().__init__(build, folder)
        self.core = machine.CLIENT_CORE

    def command(self):
        return [*super().command(), "--answer"]


class Clusterdns(Server):
    name = "clusterdns"
    program = "clusterdns"
    manifests = "manifests"

    def binary(self):
        for path in (self.build / "clusterdns", self.build / "app" / "clusterdns"):
            if path.exists():
                return path
        raise Wrong(f"no clusterdns in {self.build}")

    def command(self):
        return [self.binary(), "serve", "--manifests", self.folder / self.manifests, "--no-forward", "--no-search",
                "--no-console", "--workers", "1", "--listen", f"127.0.0.1:{self.port}"]

    @classmethod
    def version(cls):
        text = (machine.ROOT / "CMakeLists.txt").read_text()
        return re.search(r"project\(clusterdns VERSION ([\d.]+)", text)[1]


class ClusterdnsBare(Clusterdns):
    """The same as a Corefile: nothing but the kubernetes block."""
    name = "clusterdns, bare block"

    def command(self):
        return [self.binary(), "-conf", self.text("Corefile", self.corefile())]

    def corefile(self):
        return f"""
.:{self.port} {{
    bind 127.0.0.1
    kubernetes {ZONE} in-addr.arpa ip6.arpa {{
        manifests {self.folder}/{self.manifests}
    }}
}}
"""


class ClusterdnsKubeadm(ClusterdnsBare):
    """kubeadm's Corefile, but for the ports, the source of the objects and the upstream."""
    name = "clusterdns, kubeadm's Corefile"

    def corefile(self):
        return f"""
.:{self.port} {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{free_port()} {{
       lameduck 5s
    }}
    ready 127.0.0.1:{free_port()}
    kubernetes {ZONE} in-addr.arpa ip6.arpa {{
       manifests {self.folder}/{self.manifests}
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus 127.0.0.1:{free_port()}
    forward . 127.0.0.1:{free_port()} {{
       max_concurrent 1000
    }}
    cache 30 {{
       disable success {ZONE}
       disable denial {ZONE}
    }}
    loop
    reload
    loadbalance
}}
"""


class Knot(Server):
    name = "Knot DNS"
    program = "knotd"
    versions = ("--version",)

    def command(self):
        config = self.text("knot.conf", f"""
server:
    rundir: "{self.own}"
    listen: 127.0.0.1@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-max-clients: 1000
database:
    storage: "{self.own}"
log:
  - target: stderr
    any: warning
zone:
  - domain: {ZONE}
    file: "{self.folder}/cluster.zone"
    zonefile-sync: -1
    journal-content: none
  - domain: 10.in-addr.arpa
    file: "{self.folder}/reverse.zone"
    zonefile-sync: -1
    journal-content: none
""")
        return [self.find(), "-c", config]


class Nsd(Server):
    name = "NSD"
    program = "nsd"
    versions = ("-v",)

    def command(self):
        config = self.text("nsd.conf", f"""
server:
    ip-address: 127.0.0.1@{self.port}
    server-count: 1
    username: ""
    zonesdir: "{self.folder}"
    database: ""
    zonelistfile: "{self.own}/zone.list"
    xfrdfile: "{self.own}/xfrd.state"
    xfrdir: "{self.own}"
    pidfile: "{self.own}/nsd.pid"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    minimal-responses: yes
    round-robin: yes
    tcp-count: 1000
    tcp-query-count: 0
    verbosity: 0
remote-control:
    control-enable: no
zone:
    name: "{ZONE}"
    zonefile: "cluster.zone"
zone:
    name: "10.in-addr.arpa"
    zonefile: "reverse.zone"
""")
        return [self.find(), "-d", "-c", config]


class Unbound(Server):
    name = "Unbound"
    program = "unbound"
    versions = ("-V",)
    data = True

    def command(self):
        include = f'include: "{self.folder}/unbound.local-data"\n' if self.data else ""
        config = self.text("unbound.conf", f"""
server:
    interface: 127.0.0.1
    port: {self.port}
    num-threads: 1
    use-syslog: no
    verbosity: 0
    username: ""
    chroot: ""
    directory: "{self.own}"
    pidfile: "{self.own}/unbound.pid"
    do-not-query-localhost: no
    so-rcvbuf: 4m
    outgoing-range: 4096
    num-queries-per-thread: 2048
    module-config: "iterator"
    rrset-roundrobin: yes
    minimal-responses: yes
    incoming-num-tcp: 1000
{include}
{self.more()}
""")
        return [self.find(), "-d", "-c", config]

    def more(self):
        return ""


class Dnsmasq(Server):
    name = "dnsmasq"
    program = "dnsmasq"
    versions = ("--version",)

    def command(self):
        return [self.find(), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--pid-file=", "--user=root", "--listen-address=127.0.0.1", "--bind-interfaces",
                f"--port={self.port}", *self.more()]

    def more(self):
        return [f"--addn-hosts={self.folder}/dnsmasq.hosts", f"--conf-file={self.folder}/dnsmasq.srv",
                f"--local=/{ZONE}/", "--cache-size=10000", "--local-ttl=5"]

    def ready(self):
        return ask(self.port, f"ns.dns.{ZONE}", "A", timeout=0.3) is not None


class CoreDns(Server):
    name = "CoreDNS (file)"
    program = "coredns"
    versions = ("-version",)

    @classmethod
    def find(cls):
        return os.environ.get("COREDNS") or shutil.which("coredns", path=os.environ["PATH"] + ":"
                                                         + str(pathlib.Path.home() / "go/bin"))

    def command(self):
        config = self.text("Corefile", self.corefile())
        return ["env", "GOMAXPROCS=1", self.find(), "-conf", config]

    def corefile(self):
        return f"""
{ZONE}:{self.port} {{
    bind 127.0.0.1
    file {self.folder}/cluster.zone
    loadbalance
}}
10.in-addr.arpa:{self.port} {{
    bind 127.0.0.1
    file {self.folder}/reverse.zone
}}
"""


LOCAL = [Echo, Clusterdns, Nsd, Knot, Unbound, Dnsmasq, CoreDns]


# ---- forwarders: the same servers with an upstream, and nothing cached ----

class Forwarder:
    upstream_port = 0

    def ready(self):
        reply = ask(self.port, "ready.example.com", "A", timeout=0.5)
        return reply is not None and reply[0] == 0

    def check(self, cluster):
        reply = ask(self.port, f"x{random.getrandbits(40)}.example.com", "A")
        if reply is None or reply[:2] != (0, 1) or bytes([192, 0, 2, 1]) not in reply[3]:
            raise Wrong(f"{self.name} does not forward: {reply}")


class ClusterdnsForwarder(Forwarder, Clusterdns):
    def command(self):
        config = self.text("Corefile", f".:{self.port} {{\n    bind 127.0.0.1\n"
                                       f"    forward . 127.0.0.1:{self.upstream_port}\n}}\n")
        # Corefiles know no number of workers; it is that of the cores this process may use: one.
        return [self.binary(), "-conf", config]


class UnboundForwarder(Forwarder, Unbound):
    data = False

    def more(self):
        return (f'forward-zone:\n    name: "."\n    forward-addr: 127.0.0.1@{self.upstream_port}\n'
                "    forward-no-cache: yes\n")


class DnsmasqForwarder(Forwarder, Dnsmasq):
    def more(self):
        return [f"--server=127.0.0.1#{self.upstream_port}", "--cache-size=0", "--dns-forward-max=10000"]

    ready = Forwarder.ready


class DnsdistForwarder(Forwarder, Server):
    name = "dnsdist"
    program = "dnsdist"
    versions = ("--version",)

    def command(self):
        config = self.text("dnsdist.conf", f"""
setLocal("127.0.0.1:{self.port}")
newServer{{address="127.0.0.1:{self.upstream_port}", healthCheckMode="up"}}
setSecurityPollSuffix("")
""")
        return [self.find(), "--supervised", "--disable-syslog", "-C", config]


class CoreDnsForwarder(Forwarder, CoreDns):
    name = "CoreDNS"

    def corefile(self):
        return (f".:{self.port} {{\n    bind 127.0.0.1\n    forward . 127.0.0.1:{self.upstream_port} "
                "{\n        max_concurrent 5000\n    }\n}\n")


FORWARDERS = [ClusterdnsForwarder, DnsdistForwarder, DnsmasqForwarder, UnboundForwarder, CoreDnsForwarder]
