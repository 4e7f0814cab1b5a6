"""The container image runs as a node of a cluster runs it."""
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import unittest

import support


class Run(unittest.TestCase):
    """On containerd and runc, which is what a node has."""

    @classmethod
    def setUpClass(cls):
        support.need("dig")
        cls.addClassCleanup(shutil.rmtree, folder := tempfile.mkdtemp(), ignore_errors=True)
        cls.folder = folder
        cls.containerd = support.Containerd()
        cls.addClassCleanup(cls.containerd.close)
        cls.namespace = support.Namespace()
        cls.addClassCleanup(cls.namespace.close)
        archive = os.path.join(folder, "image.tar")
        support.build_image(archive)
        # The command of `kind load image-archive`.
        with open(archive, "rb") as file:
            cls.containerd.ctr("images", "import", "--all-platforms", "--digests",
                               "--snapshotter=overlayfs", "-", stdin=file)

    def start(self, name, arguments, capabilities, options=()):
        """The process of `ctr`; what the server prints is in self.log."""
        self.log = os.path.join(self.folder, name + ".log")
        with open(self.log, "wb") as log:
            process = self.containerd.start(name, support.IMAGE_NAMES[0], ["/coredns", *arguments],
                                            self.namespace.name, log, capabilities, options)
        self.addCleanup(process.wait, support.PATIENCE)
        self.addCleanup(process.terminate)
        return process

    def printed(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def test_in_the_place_of_node_cache(self):
        """With the user, the capabilities and the paths that NodeLocal DNSCache's DaemonSet gives it."""
        configuration = os.path.join(self.folder, "node-cache-configuration")
        os.mkdir(configuration, 0o755)
        with open(os.path.join(configuration, "Corefile.base"), "w", encoding="utf-8") as base:
            base.write("cluster.local:53 {\n    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__\n"
                       "    hosts {\n        10.96.0.1 kubernetes.default.svc.cluster.local\n    }\n}\n")
        process = self.start(
            "node-cache", ["-localip", "169.254.20.10,10.96.0.10", "-conf", "/etc/Corefile", "-upstreamsvc",
                           "kube-dns-upstream", "-pidfile", "/tmp/node-cache.pid", "-interfacename", "lo"],
            ["NET_BIND_SERVICE", "NET_ADMIN"],
            ["--mount", f"type=bind,src={configuration},dst=/etc/coredns,options=rbind:ro",
             "--mount", "type=tmpfs,dst=/tmp"])

        def answered():
            self.assertIsNone(process.poll(), self.printed())
            return self.namespace.ask("10.96.0.10", "kubernetes.default.svc.cluster.local")

        self.assertEqual(support.until("an answer", answered), ["10.96.0.1"])
        os.kill(self.containerd.pid("node-cache"), signal.SIGTERM)
        self.assertEqual(process.wait(support.PATIENCE), 0, self.printed())
        self.assertNotIn("169.254.20.10", self.namespace.run("ip", "address"))

    def test_image_is_known_by_its_names(self):
        listed = self.containerd.ctr("images", "ls", "-q").splitlines()
        for name in support.IMAGE_NAMES:
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
    as init container."""

    def setUp(self):
        support.need_containers()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.namespace = support.Namespace()
        self.addCleanup(self.namespace.close)
        archive = os.path.join(self.folder, "image.tar")
        support.build_image(archive)
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
        capabilities = ["CAP_NET_ADMIN"]
        spec["process"].update(
            terminal=False, user={"uid": 65532, "gid": 65532}, args=["/coredns", *arguments], noNewPrivileges=True,
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
