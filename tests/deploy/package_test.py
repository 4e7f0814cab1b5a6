"""The Debian package and the release: what is in them, that they are installed and purged without a trace, and
that the same sources give the same octets. Nothing of this machine is touched: dpkg works on a folder."""
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

import support

BUILD = os.path.dirname(support.program())
EPOCH = "1700000000"
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "LC_ALL": "C"}


def snapshot(folder):
    """Every path but dpkg's own, with kind, mode and what is in it."""
    result = {}
    for path, folders, files in os.walk(folder):
        if path == folder and "dpkg-state" in folders:
            folders.remove("dpkg-state")
        for name in folders + files:
            whole = os.path.join(path, name)
            status = os.lstat(whole)
            content = os.readlink(whole) if stat.S_ISLNK(status.st_mode) else ""
            if stat.S_ISREG(status.st_mode):
                with open(whole, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            result[os.path.relpath(whole, folder)] = (stat.filemode(status.st_mode), content)
    return result


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.need("cpack", "dpkg-deb", "dpkg", "python3", "strip")
        cls.addClassCleanup(shutil.rmtree, folder := tempfile.mkdtemp(), ignore_errors=True)
        cls.folder = folder
        cls.output = os.path.join(folder, "release")
        cls.arch = support.run("dpkg", "--print-architecture").strip()
        cls.release(cls.output)
        cls.package = cls.only(cls.output, ".deb")

    @classmethod
    def release(cls, output):
        support.run(os.path.join(support.ROOT, "deploy/release"), "--built", "--arch", cls.arch, "--output", output,
                    env=ENVIRONMENT)

    @staticmethod
    def only(folder, end):
        found = [name for name in os.listdir(folder) if name.endswith(end)]
        assert len(found) == 1, found
        return os.path.join(folder, found[0])

    def listed(self):
        """Paths of the package with their modes and owners."""
        lines = support.run("dpkg-deb", "--contents", self.package).splitlines()
        return {words[5].removeprefix("."): words for words in (line.split(None, 5) for line in lines)}

    def test_what_is_in_it(self):
        listed = self.listed()
        for path in ["/usr/bin/clusterdns", "/usr/lib/systemd/system/clusterdns.service", "/usr/share/man/man1/clusterdns.1",
                     "/usr/share/bash-completion/completions/clusterdns", "/usr/share/zsh/site-functions/_clusterdns",
                     "/usr/share/fish/vendor_completions.d/clusterdns.fish", "/usr/share/doc/clusterdns/copyright",
                     "/usr/share/doc/clusterdns/licences/libssl-dev", "/usr/share/doc/clusterdns/examples/60-istio.yaml",
                     "/usr/share/doc/clusterdns/docs/laptop.md", "/etc/clusterdns/Corefile", "/etc/clusterdns/manifests/"]:
            self.assertIn(path, listed)
        self.assertEqual({words[1] for words in listed.values()}, {"root/root"})
        self.assertEqual(listed["/usr/bin/clusterdns"][0], "-rwxr-xr-x")
        # The library is for who builds programs with it.
        self.assertEqual([path for path in listed if path.endswith((".a", ".h", ".pc", ".cmake"))], [])
        # No path of this machine's builds.
        roots = {path.split("/")[1] for path in listed if path != "/"}
        self.assertEqual(roots, {"usr", "etc"})

    def test_control(self):
        fields = support.run("dpkg-deb", "--field", self.package)
        for line in [f"Architecture: {self.arch}", "Package: clusterdns", "Section: net"]:
            self.assertIn(line + "\n", fields)
        self.assertNotIn("Depends:", fields)
        with tempfile.TemporaryDirectory() as control:
            support.run("dpkg-deb", "--control", self.package, control)
            self.assertEqual(sorted(os.listdir(control)),
                             ["conffiles", "control", "md5sums", "postinst", "postrm", "prerm"])
            for script in ["postinst", "postrm", "prerm"]:
                self.assertTrue(os.access(os.path.join(control, script), os.X_OK))

    def test_installed_upgraded_and_purged(self):
        support.need_root()
        root = os.path.join(self.folder, "root")
        for folder in ["etc/systemd/system", "usr", "var/lib/systemd"]:
            os.makedirs(os.path.join(root, folder))
        # dpkg removes folders that nobody else has anything in.
        with open(os.path.join(root, "usr/of-others"), "w", encoding="utf-8"):
            pass
        state = os.path.join(root, "dpkg-state")
        os.makedirs(os.path.join(state, "updates"))
        for name in ["status", "available"]:
            with open(os.path.join(state, name), "w", encoding="utf-8"):
                pass

        def dpkg(*words):
            return support.run("dpkg", f"--root={root}", f"--admindir={state}", "--force-script-chrootless",
                               f"--log={self.folder}/dpkg.log", *words, env=ENVIRONMENT)

        before = snapshot(root)
        dpkg("--install", self.package)
        program = os.path.join(root, "usr/bin/clusterdns")
        self.assertIn("clusterdns-", support.run(program, "-version"))
        with open(os.path.join(root, "usr/lib/systemd/system/clusterdns.service"), encoding="utf-8") as unit:
            self.assertIn("\nExecStart=/usr/bin/clusterdns -conf /etc/clusterdns/Corefile\n", unit.read())
        corefile = os.path.join(root, "etc/clusterdns/Corefile")
        with open(corefile, encoding="utf-8") as file:
            text = file.read().replace("/etc/clusterdns", os.path.join(root, "etc/clusterdns"))
        self.assertIn("good", support.run(program, "check", "stdin", input=text))
        # What the user wrote stays with an upgrade.
        with open(corefile, "a", encoding="utf-8") as file:
            file.write("# mine\n")
        dpkg("--force-confold", "--install", self.package)
        with open(corefile, encoding="utf-8") as file:
            self.assertTrue(file.read().endswith("# mine\n"))
        # A machine that asks the server would be without names.
        with open(os.path.join(root, "etc/resolv.conf"), "w", encoding="utf-8") as file:
            file.write("nameserver 192.0.2.1\n")
        before["etc/resolv.conf"] = snapshot(root)["etc/resolv.conf"]
        support.run(program, "setup", "--root", root, "--zone", "cluster.local", "--server", "127.0.0.1:53", "--yes")
        dpkg("--remove", "clusterdns")
        self.assertFalse(os.path.exists(program))
        self.assertTrue(os.path.exists(corefile))
        self.assertEqual(snapshot(root)["etc/resolv.conf"], before["etc/resolv.conf"])
        dpkg("--purge", "clusterdns")
        self.assertEqual(set(snapshot(root)) - set(before), set())
        self.assertEqual(snapshot(root), before)

    def test_checksums_and_materials(self):
        self.assertEqual(len(os.listdir(self.output)), 5)
        support.run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=self.output)
        with open(self.only(self.output, ".spdx.json"), encoding="utf-8") as file:
            document = json.load(file)
        self.assertEqual(document["spdxVersion"], "SPDX-2.3")
        names = {package["name"] for package in document["packages"]}
        self.assertLessEqual({"clusterdns", "libssl-dev", "libc6-dev", "libboost1.81-dev"}, names)
        identifiers = {package["SPDXID"] for package in document["packages"]} | {"SPDXRef-DOCUMENT"}
        for relation in document["relationships"]:
            self.assertLessEqual({relation["spdxElementId"], relation["relatedSpdxElement"]}, identifiers)
        program = self.only(self.output, f"linux-{self.arch}")
        with open(program, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(document["packages"][0]["checksums"], [{"algorithm": "SHA256", "checksumValue": digest}])
        self.assertIn("clusterdns-", support.run(program, "-version"))

    def test_the_same_octets(self):
        again = os.path.join(self.folder, "again")
        self.release(again)
        for name in sorted(os.listdir(self.output)):
            with open(os.path.join(self.output, name), "rb") as one, open(os.path.join(again, name), "rb") as other:
                self.assertEqual(hashlib.sha256(one.read()).digest(), hashlib.sha256(other.read()).digest(), name)

    def test_options(self):
        script = os.path.join(support.ROOT, "deploy/release")
        self.assertIn("SHA256SUMS", support.run(script, "--help"))
        for words in [["--arch", "mips"], ["--what"]]:
            done = subprocess.run([script, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual(done.returncode, 2, done.stdout)


if __name__ == "__main__":
    support.main()
