"""Network namespaces as a node with pods: each pod behind a veth pair, the node as their router, a service address
that leads to the pods that are ready. Needs root."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading

import lab

CLONE_NEWNET = 0x40000000
# Beside the pods': where the node itself can be asked.
NODE_ADDRESS = "10.244.0.1"


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise lab.Failed(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """One of our own, removed at the end with all that is in it."""

    def __init__(self, name):
        self.name = f"cdns{os.getpid()}-{name}"
        self.etc = pathlib.Path("/etc/netns") / self.name
        try:
            run("ip", "netns", "add", self.name)
            # Mounts /sys anew, which the kernel refuses in a chroot.
            run(*self.prefix(), "true")
        except lab.Failed as e:
            self.remove()
            raise lab.Skip(f"no network namespaces here: {e}") from e
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def prefix(self):
        return ["ip", "netns", "exec", self.name]

    def set(self, key, value):
        run(*self.prefix(), "sysctl", "-q", "-w", f"{key}={value}")

    def write_etc(self, **files):
        """Files that programs started by `ip netns exec` see in /etc; resolv_conf is resolv.conf."""
        self.etc.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (self.etc / name.replace("_", ".")).write_text(text)

    def call(self, function):
        """What `function` returns, run in a thread that is in this namespace. Sockets keep where they were made."""
        result = []

        def inside():
            try:
                with open(f"/var/run/netns/{self.name}") as handle:
                    if lab.LIBC.setns(handle.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                result.append((function(), None))
            except BaseException as e:
                result.append((None, e))
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        value, error = result[0]
        if error:
            raise error
        return value

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)
        shutil.rmtree(self.etc, ignore_errors=True)


class Node:
    """The router, and where kube-proxy's work is done: `service` leads to the pods in `ready`."""

    def __init__(self, service):
        if os.geteuid() != 0:
            raise lab.Skip("network namespaces need root")
        if not shutil.which("ip"):
            raise lab.Skip("ip is not installed (Debian package iproute2)")
        self.service, self.pods, self.stack = service, {}, contextlib.ExitStack()
        self.ns = Namespace("node")
        self.stack.callback(self.ns.remove)
        self.ns.ip("address", "add", f"{NODE_ADDRESS}/32", "dev", "lo")
        self.ns.set("net.ipv4.ip_forward", 1)
        # Each client port is a flow of its own.
        self.ns.set("net.ipv4.fib_multipath_hash_policy", 1)

    def close(self):
        self.stack.close()

    def add(self, name, serves=False):
        """A pod. serves: it also has the service's address."""
        number = len(self.pods) + 1
        pod = Namespace(name)
        self.stack.callback(pod.remove)
        pod.address, pod.gateway = f"10.244.{number}.2", f"10.244.{number}.1"
        self.ns.ip("link", "add", f"veth-{number}", "type", "veth", "peer", "name", "eth0", "netns", pod.name)
        self.ns.ip("address", "add", f"{pod.gateway}/24", "dev", f"veth-{number}")
        self.ns.ip("link", "set", f"veth-{number}", "up")
        pod.ip("address", "add", f"{pod.address}/24", "dev", "eth0")
        pod.ip("link", "set", "eth0", "up")
        pod.ip("route", "add", "default", "via", pod.gateway)
        if serves:
            pod.ip("address", "add", f"{self.service}/32", "dev", "lo")
        self.pods[name] = pod
        return pod

    def route(self, *pods):
        """The service's address leads to these; to nobody: its packets are dropped."""
        if not pods:
            self.ns.ip("route", "replace", "blackhole", f"{self.service}/32")
            return
        subprocess.run(["ip", "-n", self.ns.name, "route", "del", "blackhole", f"{self.service}/32"],
                       capture_output=True)
        hops = [part for pod in pods for part in ("nexthop", "via", pod.address)]
        self.ns.ip("route", "replace", f"{self.service}/32", *hops)

    def listener(self, address, port, kind=socket.SOCK_STREAM):
        """A socket of the node, usable from outside its namespace."""
        self.ns.ip("address", "replace", f"{address}/32", "dev", "lo")

        def make():
            s = socket.socket(socket.AF_INET, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            return s
        return self.ns.call(make)


class Memory:
    """A memory limit for a process: a cgroup of either version, else a limit of its data segment."""

    def __init__(self, name, octets):
        self.octets, self.group = octets, None
        for base, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            group = pathlib.Path(base) / f"clusterdns-{os.getpid()}-{name}"
            with contextlib.suppress(OSError):
                group.mkdir()
                if (group / file).exists():
                    (group / file).write_text(str(octets))
                    self.group = group
                    return
                group.rmdir()

    def command(self, command):
        """`command` under the limit."""
        if self.group:
            return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.group, *command]
        return ["prlimit", f"--data={self.octets}", "--", *command]

    def peak(self):
        """Octets; None when nobody counts."""
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            if self.group and (self.group / name).exists():
                return int((self.group / name).read_text())
        return None

    def remove(self):
        if self.group:
            with contextlib.suppress(OSError):
                self.group.rmdir()


# As a container's runtime does it: a root of its own that nobody can write to, with the files of the pod, and then
# the user, without privileges but for one.
CONTAINER = r"""
set -eu
root=$1 binary=$2 user=$3; shift 3
mount --make-rprivate /
for folder in usr lib lib64; do
  [ -e "/$folder" ] || continue
  mkdir -p "$root/$folder"
  mount --bind "/$folder" "$root/$folder"
done
ln -sfn usr/bin "$root/bin"
touch "$root/coredns"
mount --bind "$binary" "$root/coredns"
mkdir -p "$root/proc"
mount --rbind /proc "$root/proc"
mkdir "$root.mounted"
mount --rbind "$root" "$root.mounted"
for folder in "" /usr /lib /lib64; do
  ! mountpoint -q "$root.mounted$folder" || mount -o remount,ro,bind "$root.mounted$folder"
done
exec chroot "$root.mounted" /usr/bin/setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
  --bounding-set=-all,+net_bind_service --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
  --pdeathsig KILL -- "$@"
"""


class Container:
    """One program as a pod's container. files: {path: text} of its root."""

    def __init__(self, pod, binary, user, arguments, files, environment, memory, folder):
        self.pod = pod
        self.root = pathlib.Path(tempfile.mkdtemp(dir=folder, prefix="root."))
        os.chmod(self.root, 0o755)
        for path, text in files.items():
            file = self.root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.memory = Memory(pod.name, memory)
        command = [*pod.prefix(), "unshare", "--mount", "bash", "-c", CONTAINER, "container", self.root, binary, user,
                   "/coredns", *arguments]
        self.process = lab.Process(pod.name, self.memory.command(command), pathlib.Path(folder) / f"{pod.name}.log",
                                   {"PATH": os.environ["PATH"], **environment})

    def stop(self, **more):
        code = self.process.stop(**more)
        self.memory.remove()
        return code
