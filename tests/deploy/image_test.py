"""The container image: what is in the file, and that it runs as a node of a cluster runs it."""
import hashlib
import io
import gzip
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import unittest

import support

BUILD = os.path.join(support.ROOT, "deploy/image/build")
NAMES = ["localhost/clusterdns:test", "localhost/clusterdns/coredns:v1.14.2"]
# The promise of deploy/README.md, in octets; CoreDNS's program alone has 79 MB.
LIMIT = 15_000_000


def build(output, *options):
    return support.run(BUILD, "--program", support.program(), "--output", output,
                       *[word for name in NAMES for word in ("--name", name)], *options)


class Archive(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.path = os.path.join(cls.folder, "image.tar")
        build(cls.path)
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
        self.assertEqual(names, NAMES)
        self.assertEqual(json.loads(self.files["manifest.json"])[0]["RepoTags"], NAMES)

    def test_is_to_a_deployment_what_coredns_is(self):
        self.assertEqual(self.config["config"]["Entrypoint"], ["/coredns"])
        self.assertNotIn("Cmd", self.config["config"])
        # A number: a kubelet cannot tell whether a named user is root.
        self.assertEqual(self.config["config"]["User"], "65532:65532")
        self.assertEqual((self.config["os"], self.config["architecture"]), ("linux", "amd64"))

    def test_program_may_bind_port_53(self):
        entry = self.layer.getmember("clusterdns")
        self.assertEqual(self.layer.getmember("coredns").linkname, "clusterdns")
        self.assertEqual(entry.mode, 0o755)
        # Revision 2 and effective; permitted bit 10; all little endian (linux/capability.h).
        self.assertEqual(entry.pax_headers["SCHILY.xattr.security.capability"].encode(),
                         bytes.fromhex("01000002" "00040000" "00000000" "00000000" "00000000"))

    def test_every_entry_has_its_folder_before_it(self):
        names = self.layer.getnames()
        self.assertEqual(len(names), len(set(names)))
        for number, name in enumerate(names):
            if "/" in name:
                self.assertIn(os.path.dirname(name), names[:number])

    def test_entries_belong_to_root_and_nobody_else_writes(self):
        for entry in self.layer:
            self.assertEqual((entry.uid, entry.gid), (0, 0), entry.name)
            if not entry.issym():
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
        self.assertLess(os.path.getsize(self.path), LIMIT)
        self.assertLess(sum(entry.size for entry in self.layer), LIMIT)

    def test_same_input_same_octets(self):
        again = os.path.join(self.folder, "again.tar")
        build(again)
        with open(self.path, "rb") as one, open(again, "rb") as other:
            self.assertTrue(one.read() == other.read(), "two builds differ")

    def refused(self, *options):
        done = subprocess.run([BUILD, "--output", os.path.join(self.folder, "no.tar"), *options],
                              stderr=subprocess.PIPE, text=True)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_refuses_a_program_that_needs_a_loader(self):
        self.assertIn("not static", self.refused("--program", os.path.realpath("/bin/ls")))

    def test_refuses_a_program_of_another_architecture(self):
        self.assertIn("not for arm64",
                      self.refused("--program", support.program(), "--arch", "arm64"))


class Run(unittest.TestCase):
    """On containerd and runc, which is what a node has."""

    @classmethod
    def setUpClass(cls):
        support.need_root()
        support.need("dig", "ip")
        cls.addClassCleanup(shutil.rmtree, folder := tempfile.mkdtemp(), ignore_errors=True)
        cls.folder = folder
        cls.containerd = support.Containerd()
        cls.addClassCleanup(cls.containerd.close)
        cls.namespace = support.Namespace()
        cls.addClassCleanup(cls.namespace.close)
        archive = os.path.join(folder, "image.tar")
        build(archive)
        # The command of `kind load image-archive`.
        with open(archive, "rb") as file:
            cls.containerd.ctr("images", "import", "--all-platforms", "--digests",
                               "--snapshotter=overlayfs", "-", stdin=file)

    def start(self, name, arguments, capabilities, options=()):
        """The process of `ctr`; what the server prints is in self.log."""
        self.log = os.path.join(self.folder, name + ".log")
        with open(self.log, "wb") as log:
            process = self.containerd.start(name, NAMES[0], ["/coredns", *arguments],
                                            self.namespace.name, log, capabilities, options)
        self.addCleanup(process.wait, support.PATIENCE)
        self.addCleanup(process.terminate)
        return process

    def printed(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def test_image_is_known_by_its_names(self):
        listed = self.containerd.ctr("images", "ls", "-q").splitlines()
        for name in NAMES:
            self.assertIn(name, listed)

    def test_answers_on_port_53_as_a_deployment_starts_it(self):
        configuration = os.path.join(self.folder, "configuration")
        os.mkdir(configuration, 0o755)
        with open(os.path.join(configuration, "Corefile"), "w", encoding="utf-8") as corefile:
            corefile.write(".:53 {\n    errors\n    kubernetes cluster.local {\n"
                           "        manifests /examples\n    }\n}\n")
        examples = os.path.join(support.ROOT, "deploy/examples")
        process = self.start("server", ["-conf", "/etc/coredns/Corefile"], ["NET_BIND_SERVICE"], [
            "--memory-limit", str(170 << 20),
            "--mount", f"type=bind,src={configuration},dst=/etc/coredns,options=rbind:ro",
            "--mount", f"type=bind,src={examples},dst=/examples,options=rbind:ro"])

        def answered():
            self.assertIsNone(process.poll(), self.printed())
            return self.namespace.ask("127.0.0.1", "kubernetes.default.svc.cluster.local")

        self.assertEqual(support.until("an answer", answered), ["10.96.0.1"])
        self.assertEqual(self.namespace.ask("127.0.0.1", "kubernetes.default.svc.cluster.local",
                                            "A", "+tcp"), ["10.96.0.1"])
        pid = self.containerd.pid("server")
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(status["Uid"].split(), ["65532"] * 4)
        self.assertEqual(status["NoNewPrivs"], "1")
        bind = f"{1 << 10:016x}"
        self.assertEqual((status["CapEff"], status["CapPrm"], status["CapBnd"]), (bind,) * 3)
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(process.wait(support.PATIENCE), 0, self.printed())

    def test_finds_an_api_server_by_name(self):
        """Managed clusters have names in KUBERNETES_SERVICE_HOST, and the image has no library that
        resolves names."""
        def mounted(name, text):
            folder = os.path.join(self.folder, name)
            os.mkdir(folder, 0o755)
            for file_name, content in text.items():
                with open(os.path.join(folder, file_name), "w", encoding="utf-8") as file:
                    file.write(content)
            return ["--mount", f"type=bind,src={folder},dst=/etc,options=rbind:ro"]

        self.start("names", ["-conf", "/etc/Corefile"], ["NET_BIND_SERVICE"], mounted("names", {
            "Corefile": ".:53 {\n    hosts {\n        127.0.0.1 api.test\n    }\n}\n"}))
        support.until("an answer", lambda: self.namespace.ask("127.0.0.1", "api.test"))
        process = self.start("named", ["-conf", "/etc/Corefile"], ["NET_BIND_SERVICE"], mounted("named", {
            "resolv.conf": "nameserver 127.0.0.1\n",
            "Corefile": ".:5300 {\n    kubernetes {\n        endpoint http://api.test:9\n    }\n}\n"}))

        def tried():
            self.assertIsNone(process.poll(), self.printed())
            self.assertNotIn("does not resolve", self.printed())
            return "api.test:9: Connection refused" in self.printed()

        support.until("a connection to the API server", tried)


class InitContainer(unittest.TestCase):
    """On runc alone, since `ctr` knows no --user: what deploy/kubernetes/node-local/daemonset.yaml has
    as init container. Root, for the program's own capability would shut out the other one."""

    def setUp(self):
        support.need_root()
        support.need("ip", "runc")
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.namespace = support.Namespace()
        self.addCleanup(self.namespace.close)
        archive = os.path.join(self.folder, "image.tar")
        build(archive)
        root = os.path.join(self.folder, "bundle", "rootfs")
        with tarfile.open(archive) as tar:
            files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
        def blob(digest):
            return files["blobs/" + digest.replace(":", "/")]
        manifest = json.loads(blob(json.loads(files["index.json"])["manifests"][0]["digest"]))
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(manifest["layers"][0]["digest"])))) as layer:
            layer.extractall(root)
            capability = layer.getmember("clusterdns").pax_headers["SCHILY.xattr.security.capability"]
        os.setxattr(os.path.join(root, "clusterdns"), "security.capability", capability.encode())

    def run_as_init_container(self, *arguments):
        bundle = os.path.join(self.folder, "bundle")
        path = os.path.join(bundle, "config.json")
        if not os.path.exists(path):
            support.run("runc", "spec", cwd=bundle)
        with open(path, encoding="utf-8") as file:
            spec = json.load(file)
        capabilities = ["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"]
        spec["process"].update(
            terminal=False, user={"uid": 0, "gid": 0}, args=["/coredns", *arguments], noNewPrivileges=True,
            capabilities={name: capabilities for name in ("bounding", "effective", "permitted")})
        spec["root"]["readonly"] = True
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = f"/run/netns/{self.namespace.name}"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(spec, file)
        name = "clusterdns-" + os.path.basename(self.folder)
        return subprocess.run(["runc", "--root", os.path.join(self.folder, "runc"), "run", "--bundle", bundle, name],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=support.PATIENCE)

    def test_makes_a_node_local_address(self):
        for interface in ["node-dns", "lo"]:
            done = self.run_as_init_container("node-address", "169.254.20.10", "--interface", interface)
            if "no dummy interfaces" in done.stdout:
                continue  # in this kernel; the program's advice is the other one
            self.assertEqual((done.returncode, done.stdout), (0, f"{interface}: 169.254.20.10 added\n"))
            self.assertIn(" 169.254.20.10/32 ",
                          self.namespace.run("ip", "address", "show", "dev", interface))
            return
        self.fail("no interface took the address")


if __name__ == "__main__":
    support.main()
