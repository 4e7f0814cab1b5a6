"""deploy/quickstart, with a program that is built already: what it serves, what it tells to try, and that it looks at
the port before it does anything that takes long."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, "tests/support"))
from ports import free_port  # noqa: E402

QUICKSTART = os.path.join(support.ROOT, "deploy/quickstart")
SERVICE = """apiVersion: v1
kind: Service
metadata: {name: mine}
spec: {clusterIP: 10.96.7.7, ports: [{port: 80}]}
"""


class Quickstart(unittest.TestCase):
    def setUp(self):
        support.need("perl", "dig")
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, *arguments):
        """Starts it, and returns what it prints until it listens. It ends with the test, with exit code 0."""
        process = subprocess.Popen([QUICKSTART, "--program", support.program(), "--no-forward", *arguments], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder)
        watchdog = threading.Timer(support.PATIENCE, process.kill)
        watchdog.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "[INFO] Listening on" in line:
                break
        watchdog.cancel()
        reader = threading.Thread(target=process.stdout.read)
        reader.start()

        def end():
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(support.PATIENCE), 0, "".join(lines))
            reader.join()
            process.stdout.close()
        self.addCleanup(end)
        self.assertTrue(lines and "[INFO] Listening on" in lines[-1], "".join(lines))
        return "".join(lines)

    def refused(self, *arguments, code=1):
        done = subprocess.run([QUICKSTART, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=support.PATIENCE, cwd=self.folder)
        # Nothing was installed, built or started.
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        return done.stderr

    def dig(self, *words):
        return support.run("dig", "+short", "+time=5", *words).split()

    def test_what_it_tells_to_try_works(self):
        port = free_port()
        text = self.start("--listen", f"127.0.0.1:{port}")
        self.assertIn(f"Serving {support.ROOT}/deploy/examples at 127.0.0.1:{port}, UDP and TCP.", text)
        commands = [line.split() for line in text.splitlines() if line.startswith("  ")]
        self.assertEqual(len(commands), 5, text)
        for command in commands:
            printed = support.run(*command, *(["+short"] if command[0] == "dig" else []))
            self.assertRegex(printed, r"10\.|svc\.cluster\.local", command)

    def test_an_ipv6_address(self):
        addresses = pathlib.Path("/proc/net/if_inet6")
        if not addresses.exists() or not addresses.read_text(encoding="utf-8"):
            self.skipTest("no IPv6 here")
        text = self.start("--listen=[::1]:0")
        port = re.search(r"Listening on \[::1\]:(\d+) ", text).group(1)
        command = next(line.split() for line in text.splitlines() if line.startswith("  dig"))
        command[command.index("PORT")] = port
        self.assertEqual(len(support.run(*command, "+short").split()), 4)

    def test_named_manifests_and_nothing_else(self):
        with open(os.path.join(self.folder, "mine.yaml"), "w", encoding="utf-8") as file:
            file.write(SERVICE)
        for arguments in (["--manifests", "mine.yaml"], ["-m", "."], ["--manifests=mine.yaml"], ["mine.yaml"]):
            with self.subTest(arguments):
                text = self.start(*arguments, "-l", "127.0.0.1:0")
                port = re.search(r"Listening on 127.0.0.1:(\d+) ", text).group(1)
                self.assertEqual(self.dig("@127.0.0.1", "-p", port, "mine.default.svc.cluster.local"), ["10.96.7.7"])
                self.assertEqual(self.dig("@127.0.0.1", "-p", port, "python-www.default.svc.cluster.local"), [])
                self.assertNotIn("python-www", text)

    def test_a_taken_port(self):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as taken:
                port = free_port()
                taken.bind(("127.0.0.1", port))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                protocol = "udp" if kind == socket.SOCK_DGRAM else "tcp"
                for listen in (f"127.0.0.1:{port}", f"localhost:{port}"):
                    text = self.refused("--listen", listen)
                    self.assertRegex(text, rf"^deploy/quickstart cannot serve on {listen}: {protocol} port {port} is "
                                     rf"taken by \S+, process {os.getpid()}\.\n"
                                     r"End it, or take another port: deploy/quickstart --listen 127\.0\.0\.1:\d+\n$")
                    other = int(text.rsplit(":", 1)[1])
                    self.assertNotEqual(other, port)
                self.refused("--demo", "-l", f"127.0.0.1:{port}")
                # What has ended is no longer there.
        self.start("--listen", f"127.0.0.1:{port}")

    def test_every_address_where_one_is_taken(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.2", 0))
            port = taken.getsockname()[1]
            text = self.refused("--listen", f":{port}")
            self.assertIn(f"Listen on one address, where it is free: deploy/quickstart --listen 127.0.0.1:{port}\n", text)

    def test_a_port_for_root(self):
        support.need_root()
        support.need("setpriv")
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="utf-8") as file:
            if int(file.read()) <= 53:
                self.skipTest("ports below 53 are for everybody here")
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", QUICKSTART, "--listen",
                               "127.1.2.3:53", "--program", "/nonexistent/program"], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot serve on 127.1.2.3:53: port 53 is for root.\n", done.stderr)
        self.assertIn("--listen 127.0.0.1:1053", done.stderr)
        self.assertIn("  sudo setcap cap_net_bind_service=+ep build/release/clusterdns\n", done.stderr)

    def test_demo_is_about_the_examples(self):
        self.assertIn("--demo asks for the names of the examples", self.refused("--demo", "-m", "x", code=2))
        self.assertIn("--listen needs a value", self.refused("--listen", code=2))

    def test_demo(self):
        text = support.run(QUICKSTART, "--demo", "--program", support.program(), "--no-forward")
        self.assertTrue(text.endswith("\n14 passed, 0 failed\n"), text)


if __name__ == "__main__":
    support.main()
