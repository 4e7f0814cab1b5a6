"""The container image: what is in the file. That it runs: containers_test.py."""
import hashlib
import io
import gzip
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import support

# The promises of deploy/README.md, in octets: unpacked, and as a file. CoreDNS's program alone has 79 MB.
LIMIT = 18_000_000
FILE_LIMIT = 8_000_000


class Archive(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.path = os.path.join(cls.folder, "image.tar")
        support.build_image(cls.path)
        with tarfile.open(cls.path) as tar:
            cls.files = {entry.name: tar.extractfile(entry).read() for entry in tar
                         if entry.isfile()}
        cls.index = json.loads(cls.files["index.json"])
        cls.manifest = json.loads(cls.blob(cls.index["manifests"][0]["digest"]))
        cls.config = json.loads(cls.blob(cls.manifest["config"]["digest"]))
        layer = gzip.decompress(cls.blob(cls.manifest["layers"][0]["digest"]))
        cls.layer_digest = "sha256:" + hashlib.sha256(layer).hexdigest()
        cls.layer = tarfile.open(fileobj=io.BytesIO(layer))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def blob(cls, digest):
        return cls.files["blobs/" + digest.replace(":", "/")]

    def test_blobs_are_what_their_names_say(self):
        for name, content in self.files.items():
            if name.startswith("blobs/sha256/"):
                self.assertEqual(name[len("blobs/sha256/"):], hashlib.sha256(content).hexdigest())
        for part in [self.manifest["config"], *self.manifest["layers"], *self.index["manifests"]]:
            self.assertEqual(part["size"], len(self.blob(part["digest"])))
        self.assertEqual(self.config["rootfs"]["diff_ids"], [self.layer_digest])

    def test_names_for_containerd_and_for_docker(self):
        names = [m["annotations"]["io.containerd.image.name"] for m in self.index["manifests"]]
        self.assertEqual(names, support.IMAGE_NAMES)
        self.assertEqual(json.loads(self.files["manifest.json"])[0]["RepoTags"], support.IMAGE_NAMES)

    def test_is_to_a_deployment_what_coredns_is(self):
        self.assertEqual(self.config["config"]["Entrypoint"], ["/coredns"])
        self.assertNotIn("Cmd", self.config["config"])
        # A number: a kubelet cannot tell whether a named user is root.
        self.assertEqual(self.config["config"]["User"], "65532:65532")
        self.assertEqual((self.config["os"], self.config["architecture"]), ("linux", "amd64"))

    def test_program_may_bind_port_53(self):
        entry = self.layer.getmember("clusterdns")
        for alias in ("coredns", "node-cache"):
            self.assertEqual(self.layer.getmember(alias).linkname, "clusterdns")
        self.assertEqual(entry.mode, 0o755)
        # Revision 2, not effective; permitted bits 10 and 12; all little endian (linux/capability.h).
        self.assertEqual(entry.pax_headers["SCHILY.xattr.security.capability"].encode(),
                         bytes.fromhex("00000002" "00140000" "00000000" "00000000" "00000000"))

    def test_every_entry_has_its_folder_before_it(self):
        names = self.layer.getnames()
        self.assertEqual(len(names), len(set(names)))
        for number, name in enumerate(names):
            if "/" in name:
                self.assertIn(os.path.dirname(name), names[:number])

    def test_entries_belong_to_root_and_nobody_else_writes(self):
        for entry in self.layer:
            self.assertEqual((entry.uid, entry.gid), (0, 0), entry.name)
            if entry.name == "tmp":
                self.assertEqual(entry.mode, 0o1777)
            elif not entry.issym():
                self.assertEqual(entry.mode & 0o022, 0, entry.name)

    def test_tells_scanners_what_is_linked_in(self):
        text = self.layer.extractfile("var/lib/dpkg/status.d/libc-ares-dev").read().decode()
        self.assertIn("\nSource: c-ares\n", text)
        self.assertRegex(text, r"\nVersion: [0-9]")
        self.assertIn("usr/share/doc/libc-ares-dev/copyright", self.layer.getnames())

    def test_has_certificates(self):
        link = self.layer.getmember("usr/lib/ssl/cert.pem").linkname
        text = self.layer.extractfile(link.lstrip("/")).read()
        self.assertTrue(text.startswith(b"-----BEGIN CERTIFICATE-----"))

    def test_is_small(self):
        self.assertLess(os.path.getsize(self.path), FILE_LIMIT)
        self.assertLess(sum(entry.size for entry in self.layer), LIMIT)

    def test_same_input_same_octets(self):
        again = os.path.join(self.folder, "again.tar")
        support.build_image(again)
        with open(self.path, "rb") as one, open(again, "rb") as other:
            self.assertTrue(one.read() == other.read(), "two builds differ")

    def refused(self, *options):
        done = subprocess.run([support.IMAGE_BUILD, "--output", os.path.join(self.folder, "no.tar"), *options],
                              stderr=subprocess.PIPE, text=True)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_refuses_a_program_that_needs_a_loader(self):
        self.assertIn("not static", self.refused("--program", os.path.realpath("/bin/ls")))

    def test_refuses_a_program_of_another_architecture(self):
        self.assertIn("not for arm64",
                      self.refused("--program", support.program(), "--arch", "arm64"))


if __name__ == "__main__":
    support.main()
