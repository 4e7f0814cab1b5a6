"""The clients: stubs, which ask the servers of resolv.conf, and resolvers, which forward to them.

All are as their packages have them, but for what a forwarder has to be told."""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import machine  # noqa: E402
import peers    # noqa: E402

RESOLVER = "127.0.0.53"
STUBS_FOLDER = HERE / "stubs"
PATH = os.environ["PATH"] + ":/usr/sbin:/usr/local/go/bin"


def which(program):
    return shutil.which(program, path=PATH)


def first_line(*command):
    lines = machine.output_of(*command).splitlines()
    return lines[0] if lines else ""


def package_version(package):
    """Of a Debian package, without epoch and revision."""
    version = machine.output_of("dpkg-query", "-W", "-f=${Version}", package)
    return version.split(":")[-1].rsplit("-", 1)[0] if " " not in version else ""


class Client:
    name = ""
    kind = "stub"
    quick = False

    def missing(self):
        """What is not there, in words; empty: nothing."""
        return ""

    def version(self):
        return ""

    def prepare(self, folder):
        """Compiles what has to be, once."""


# ---- stubs: a program that is given names and prints a line for each (stubs/getaddrinfo.c) ----

class Stub(Client):
    needs = ()   # programs

    def missing(self):
        return ", ".join(program for program in self.needs if not which(program))

    def command(self, folder, names):
        raise NotImplementedError

    def parse(self, text):
        """(name, state, addresses, ms) of each line."""
        for line in text.splitlines():
            fields = line.split("\t")
            if len(fields) == 4:
                yield fields[0], fields[1], fields[2].split(), float(fields[3])


def compiled(*command, cwd=STUBS_FOLDER, **more):
    environment = dict(os.environ, PATH=PATH, **more)
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout.strip()[-500:]}")


class Glibc(Stub):
    name, quick, needs = "glibc", True, ("cc",)

    def version(self):
        return first_line("ldd", "--version").split()[-1]

    def prepare(self, folder):
        compiled("cc", "-O1", "-o", folder / self.name, "getaddrinfo.c")

    def command(self, folder, names):
        return [folder / self.name, *names]


class Musl(Glibc):
    name, needs = "musl", ("musl-gcc",)

    def version(self):
        return package_version("musl")

    def prepare(self, folder):
        compiled("musl-gcc", "-O1", "-static", "-o", folder / self.name, "getaddrinfo.c")


class NewMusl(Musl):
    """With the zig compiler, which has musl's sources in it: `pip install ziglang`."""
    name, quick = "musl (new)", False
    needs = ()
    zig = [sys.executable, "-m", "ziglang"]

    def missing(self):
        found = subprocess.run([*self.zig, "version"], capture_output=True).returncode == 0
        return "" if found else "ziglang (pip install ziglang)"

    def version(self):
        library = machine.output_of(sys.executable, "-c", "import ziglang; print(ziglang.__path__[0])")
        header = pathlib.Path(library) / "lib/libc/musl/src/internal/version.h"
        return f"{header.read_text().split()[2].strip(chr(34))}, of zig {machine.output_of(*self.zig, 'version')}"

    def prepare(self, folder):
        compiled(*self.zig, "cc", "-target", "x86_64-linux-musl", "-O1", "-o", folder / self.name, STUBS_FOLDER / "getaddrinfo.c",
                 cwd=folder)


class Cares(Glibc):
    name = "c-ares"

    def missing(self):
        header = pathlib.Path("/usr/include/ares.h").exists()
        return super().missing() or ("" if header else "libc-ares-dev")

    def version(self):
        return package_version("libc-ares2")

    def prepare(self, folder):
        compiled("cc", "-O1", "-o", folder / self.name, "cares.c", "-lcares")


class Go(Glibc):
    name, quick, needs = "Go", False, ("go",)

    def version(self):
        return machine.output_of(which("go"), "version").split()[2].removeprefix("go")

    def prepare(self, folder):
        compiled("go", "build", "-o", folder / self.name, "lookup.go", CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="-mod=mod",
                 GOPROXY="off", GO111MODULE="off")


class Node(Stub):
    name, needs = "Node", ("node",)

    def version(self):
        return (first_line("node", "--version").removeprefix("v") + ", c-ares "
                + machine.output_of("node", "-p", "process.versions.ares"))

    def command(self, folder, names):
        return [which("node"), STUBS_FOLDER / "lookup.mjs", *names]


class Java(Stub):
    name, needs = "Java", ("java", "javac")
    words = ()

    def version(self):
        return first_line("java", "-version").split('"')[1]

    def prepare(self, folder):
        compiled("javac", "-d", folder, "Lookup.java")

    def command(self, folder, names):
        return [which("java"), "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", folder, "Lookup",
                *self.words, *names]


class JavaJndi(Java):
    name, words = "Java JNDI", ("jndi",)

    def prepare(self, folder):
        if not (folder / "Lookup.class").exists():
            super().prepare(folder)


class Dnspython(Stub):
    name, needs = "dnspython", ("/usr/bin/python3",)

    def missing(self):
        done = subprocess.run(["/usr/bin/python3", "-c", "import dns.resolver"], capture_output=True)
        return "" if done.returncode == 0 else "python3-dnspython"

    def version(self):
        return machine.output_of("/usr/bin/python3", "-c", "import dns.version; print(dns.version.version)")

    def command(self, folder, names):
        return ["/usr/bin/python3", STUBS_FOLDER / "dnspython_lookup.py", *names]


class Told(Stub):
    """A program that looks one name up: it is run for each, its start included in the time."""

    def command(self, folder, names):
        return [sys.executable, STUBS_FOLDER / "each.py", self.name, *names]


class Busybox(Told):
    name, quick, needs = "busybox", True, ("busybox",)

    def version(self):
        return first_line("busybox").split()[1].removeprefix("v")


class Dig(Told):
    name, quick, needs = "dig", True, ("dig",)

    def version(self):
        return package_version("bind9-dnsutils")


STUBS = [Glibc(), Musl(), NewMusl(), Busybox(), Cares(), Go(), Node(), Java(), JavaJndi(), Dnspython(), Dig()]


# ---- resolvers: they listen on 127.0.0.53 and forward to the servers ----

class Resolver(Client):
    kind = "resolver"
    program = ""
    package = ""

    def missing(self):
        return "" if which(self.program) else self.program

    def version(self):
        return package_version(self.package)

    def command(self, folder, servers):
        raise NotImplementedError


def text(folder, name, content):
    path = pathlib.Path(folder) / name
    path.write_text(content)
    return path


class Clusterdns(Resolver):
    name, quick = "clusterdns", True

    def missing(self):
        return ""

    def version(self):
        return peers.Clusterdns.version()

    def command(self, folder, servers):
        return [os.environ["CLUSTERDNS_BINARY"], "-conf", text(
            folder, "Corefile.resolver",
            f".:53 {{\n    bind {RESOLVER}\n    forward . {' '.join(servers)}\n    cache 30\n}}\n")]


class Unbound(Resolver):
    name, program, package = "unbound", "unbound", "unbound"

    def command(self, folder, servers):
        forward = "".join(f"    forward-addr: {server}\n" for server in servers)
        return [which("unbound"), "-d", "-c", text(folder, "unbound.conf", f"""
server:
    interface: {RESOLVER}
    use-syslog: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    do-not-query-localhost: no
    module-config: "iterator"
    local-zone: "test." nodefault
remote-control:
    control-enable: no
forward-zone:
    name: "."
{forward}""")]


class Dnsmasq(Resolver):
    name, program, package = "dnsmasq", "dnsmasq", "dnsmasq-base"

    def command(self, folder, servers):
        return [which("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
                "--user=root", f"--listen-address={RESOLVER}", "--bind-interfaces",
                *(f"--server={server}" for server in servers)]


class Kresd(Resolver):
    name, program, package = "knot-resolver", "kresd", "knot-resolver"

    def command(self, folder, servers):
        listed = ", ".join(f"'{server}'" for server in servers)
        return [which("kresd"), "--noninteractive", "--config", text(folder, "kresd.conf", f"""
net.listen('{RESOLVER}', 53, {{ kind = 'dns' }})
cache.open(10 * MB, 'lmdb://{folder}/kresd-cache')
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('priming')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
trust_anchors.remove('.')
policy.add(policy.all(policy.STUB({{ {listed} }})))
"""), folder]


class Bind(Resolver):
    name, program, package = "BIND", "named", "bind9"

    def command(self, folder, servers):
        listed = "".join(f"{server}; " for server in servers)
        return [which("named"), "-g", "-n", "1", "-c", text(folder, "named.conf", f"""
options {{
    directory "{folder}";
    listen-on {{ {RESOLVER}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    lock-file none;
    forward only;
    forwarders {{ {listed}}};
    dnssec-validation no;
    allow-query {{ any; }};
}};
controls {{ }};
""")]


class Dnsdist(Resolver):
    name, program, package = "dnsdist", "dnsdist", "dnsdist"

    def command(self, folder, servers):
        listed = "".join(f'newServer("{server}")\n' for server in servers)
        return [which("dnsdist"), "--supervised", "--disable-syslog", "-C", text(
            folder, "dnsdist.conf", f'setLocal("{RESOLVER}:53")\nsetSecurityPollSuffix("")\n{listed}')]


class PdnsRecursor(Resolver):
    name, program, package = "PowerDNS", "pdns_recursor", "pdns-recursor"

    def command(self, folder, servers):
        text(folder, "recursor.conf", "")
        return [which("pdns_recursor"), f"--config-dir={folder}", "--daemon=no", f"--local-address={RESOLVER}", "--local-port=53",
                f"--socket-dir={folder}", "--write-pid=no", "--dnssec=off", "--dont-query=", "--setuid=", "--setgid=",
                "--security-poll-suffix=", "--threads=1", f"--forward-zones-recurse=.={';'.join(servers)}"]


class CoreDns(Resolver):
    name = "CoreDNS"

    def missing(self):
        return "" if peers.CoreDns.find() else "coredns (COREDNS names it)"

    def version(self):
        return peers.CoreDns.version()

    def command(self, folder, servers):
        return [peers.CoreDns.find(), "-conf", text(
            folder, "Corefile.coredns",
            f".:53 {{\n    bind {RESOLVER}\n    forward . {' '.join(servers)}\n    cache 30\n}}\n")]


RESOLVERS = [Clusterdns(), CoreDns(), Unbound(), Dnsmasq(), Kresd(), Bind(), PdnsRecursor(), Dnsdist()]
CLIENTS = [*STUBS, *RESOLVERS]


def by_name(name):
    return next(each for each in CLIENTS if each.name == name)
