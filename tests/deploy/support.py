"""What the tests of deploy/ share: the sources, the program, a private containerd, a network
namespace, and waiting with a deadline."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Seconds that anything may take to come up: two cores, other tests beside.
PATIENCE = 60
IMAGE_BUILD = os.path.join(ROOT, "deploy/image/build")
IMAGE_NAMES = ["localhost/clusterdns:test", "localhost/clusterdns/coredns:v1.14.2"]


def program():
    path = os.environ.get("CLUSTERDNS_BINARY", "")
    if not os.path.exists(path):
        sys.exit("CLUSTERDNS_BINARY has to name the program of a static build (preset release)")
    return path


class Failed(subprocess.SubprocessError):
    """A command ended with another code than 0, and what it said."""


def run(*command, **more):
    """What the command prints, or Failed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=4 * PATIENCE, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}\n"
                     f"{done.stdout}{done.stderr}")
    return done.stdout


def build_image(output, *options):
    return run(IMAGE_BUILD, "--program", program(), "--output", output,
               *[word for name in IMAGE_NAMES for word in ("--name", name)], *options)


def until(what, condition):
    """Asks again until the condition holds something; its last error is told when time is up. An
    assertion of the condition's ends it at once."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            value, error = condition(), None
            if value:
                return value
        except subprocess.SubprocessError as reason:  # told below
            error = reason
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {PATIENCE} s: {what}" + (f": {error}" if error else ""))
        time.sleep(0.02)


def need_root():
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root, for namespaces")


def need(*commands):
    for command in commands:
        if not shutil.which(command):
            raise unittest.SkipTest(f"{command} is not installed")


def need_to_work(what, *command, **more):
    """Skips when this machine cannot do what the command does, with the command's reason."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=PATIENCE, **more)
    if done.returncode != 0:
        reason = (done.stdout.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise unittest.SkipTest(f"no {what} here: {reason}")


def need_containers():
    """Skips where runc cannot run the plainest container, such as in a chroot or without cgroups."""
    need_root()
    need("runc", "unshare")
    # As runc does; in a chroot the kernel refuses it.
    need_to_work("mount namespaces", "unshare", "--mount", "true")
    with tempfile.TemporaryDirectory() as bundle:
        os.mkdir(os.path.join(bundle, "rootfs"))
        shutil.copy(program(), os.path.join(bundle, "rootfs", "program"))
        run("runc", "spec", cwd=bundle)
        path = os.path.join(bundle, "config.json")
        with open(path, encoding="utf-8") as file:
            spec = json.load(file)
        spec["process"].update(terminal=False, args=["/program", "-version"])
        with open(path, "w", encoding="utf-8") as file:
            json.dump(spec, file)
        need_to_work("containers", "runc", "--root", os.path.join(bundle, "state"), "run", "--bundle",
                     bundle, "clusterdns-" + os.path.basename(bundle))


class Namespace:
    """A network namespace with loopback."""

    def __init__(self):
        need("ip")
        self.name = f"clusterdns-deploy-{os.getpid()}"
        need_to_work("network namespaces", "ip", "netns", "add", self.name)
        try:
            # Mounts /sys anew, which the kernel refuses in a chroot.
            need_to_work("network namespaces", "ip", "netns", "exec", self.name, "true")
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def run(self, *command, **more):
        return run("ip", "netns", "exec", self.name, *command, **more)

    def ask(self, server, name, kind="A", *options):
        """The lines of the answer section, or none."""
        return self.run("dig", f"@{server}", "+short", "+time=2", "+tries=1", *options, name,
                        kind).split()

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Containerd:
    """A containerd of our own: its socket, images and containers are in a temporary folder."""

    def __init__(self):
        need_containers()
        need("containerd", "ctr")
        self.folder = tempfile.mkdtemp(prefix="clusterdns-containerd-")
        self.address = os.path.join(self.folder, "sock")
        config = os.path.join(self.folder, "config.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'version = 2\nroot = "{self.folder}/root"\nstate = "{self.folder}/state"\n'
                       # Pods' networks are not its business here, and /opt is not ours.
                       'disabled_plugins = ["io.containerd.grpc.v1.cri", '
                       '"io.containerd.internal.v1.opt"]\n'
                       f'[grpc]\naddress = "{self.address}"\n')
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["containerd", "--config", config], stdout=log,
                                            stderr=log)
        try:
            until("containerd answers", lambda: self.ctr("version"))
            plugins = [line.split() for line in self.ctr("plugins", "ls").splitlines()]
            if not any("overlayfs" in words and words[-1] == "ok" for words in plugins):
                raise unittest.SkipTest(f"no overlayfs in {tempfile.gettempdir()}")
        except BaseException:
            self.close()
            raise

    def ctr(self, *arguments, **more):
        return run("ctr", "--address", self.address, "--namespace", "k8s.io", *arguments, **more)

    def start(self, name, image, command, network, output, capabilities, options=()):
        """Runs the image's program as a kubelet runs a container with `drop: [ALL]`, `add:
        CAPABILITIES`, `allowPrivilegeEscalation: false` and `readOnlyRootFilesystem: true`. `ctr`
        takes a whole command and no arguments of the ENTRYPOINT."""
        default = ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
                   "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE").split()
        drop = [word for capability in default if capability not in capabilities
                for word in ("--cap-drop", "CAP_" + capability)]
        add = [word for capability in capabilities if capability not in default
               for word in ("--cap-add", "CAP_" + capability)]
        return subprocess.Popen(
            ["ctr", "--address", self.address, "--namespace", "k8s.io", "run", "--rm",
             "--read-only", "--with-ns", f"network:/run/netns/{network}", *drop, *add, *options,
             image, name, *command], stdout=output, stderr=output)

    def pid(self, name):
        for line in self.ctr("tasks", "ls").splitlines():
            if line.split()[0] == name:
                return int(line.split()[1])
        return None

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        # What it mounted for containers that a failed test has left.
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file]
        for mount in sorted((m for m in mounts if m.startswith(self.folder)), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    """unittest's main, with ctest's exit code for a file of which nothing could be run."""
    test = unittest.main(exit=False, verbosity=2)
    result = test.result
    if not result.wasSuccessful():
        sys.exit(1)
    # A class that is skipped as a whole counts as none.
    skipped = sum(isinstance(test, unittest.TestCase) for test, _ in result.skipped)
    if result.skipped and skipped == result.testsRun:
        print("SKIPPED: " + result.skipped[0][1])
        sys.exit(77)
    sys.exit(0)
