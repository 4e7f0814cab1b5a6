"""Every Corefile that deploy/ writes or takes over is one that the server reads."""
import os
import subprocess
import tempfile
import unittest

import yaml

import support

KUBERNETES = os.path.join(support.ROOT, "deploy/kubernetes")


class Corefiles(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "Corefile")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run([support.program(), "check", path], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=support.PATIENCE)
            self.assertEqual(done.returncode, 0, done.stdout)

    def check_config_map(self, path):
        with open(path, encoding="utf-8") as file:
            maps = [item for item in yaml.safe_load_all(file) if item and item["kind"] == "ConfigMap"]
        self.assertEqual(len(maps), 1)
        self.check(maps[0]["data"]["Corefile"])

    def test_standalone(self):
        self.check_config_map(os.path.join(KUBERNETES, "standalone/configmap.yaml"))

    def test_node_local(self):
        self.check_config_map(os.path.join(KUBERNETES, "node-local/configmap.yaml"))

    def test_kubeadm(self):
        self.check_config_map(os.path.join(support.ROOT, "tests/cluster/data/kubeadm.yaml"))

    def test_helm_chart(self):
        with open(os.path.join(support.ROOT, "tests/deploy/data/helm-1.46.2.Corefile"),
                  encoding="utf-8") as file:
            self.check(file.read())

    def test_what_is_wrong_is_found(self):
        with self.assertRaisesRegex(AssertionError, "is not a directive"):
            self.check(".:53 {\n    kubernets\n}\n")


if __name__ == "__main__":
    support.main()
