#!/usr/bin/python3
"""One battery of questions over both sources of the registry: the same objects, once as manifests and once from
the API server, are answered alike."""

import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

import differences
import lab
import objects
import questions

SHOWN = 15


def documents(folder):
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        for item in yaml.safe_load_all(path.read_text()):
            if item:
                yield item


def write_manifests(items, folder):
    folder.mkdir()
    (folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def from_manifests(folder):
    """Objects for the API server with what our manifests source makes of a folder: it gives addresses and makes
    pods and slices, which a cluster's controllers would do in their own way."""
    done = subprocess.run([lab.clusterdns(), "services", "--manifests", folder, "-o", "json"], capture_output=True,
                          text=True, check=True)
    given = {(s["namespace"], s["name"]): s for s in json.loads(done.stdout)}
    for item in documents(folder):
        if item["kind"] in ("Namespace", "Pod", "EndpointSlice"):
            yield item
        where, name = item["metadata"].get("namespace", "default"), item["metadata"]["name"]
        # The API server has made that one itself.
        if item["kind"] != "Service" or (where, name) == ("default", "kubernetes"):
            continue
        made = given[where, name]
        item["metadata"]["namespace"] = where
        if made["type"] != "ExternalName" and made["addresses"]:
            item["spec"]["clusterIP"] = made["addresses"][0]
            item["spec"]["clusterIPs"] = made["addresses"]
        item["spec"].pop("selector", None)
        yield item
        if made["endpoints"]:
            # The names say which endpoint has a hostname. Those made of addresses may come in another order.
            base = f".{name}.{where}.svc.cluster.local."
            dashed = {address.replace(".", "-") for address in made["endpoints"]}
            labels = [n.removesuffix(base) for n in made["names"] if n.endswith(base) and not n.startswith("_")]
            yield objects.endpoint_slice(where, name, "made", [
                objects.endpoint(address, hostname=None if label in dashed else label)
                for address, label in zip(made["endpoints"], labels)],
                [{"name": p.get("name", ""), "protocol": p.get("protocol", "TCP"),
                  "port": p["targetPort"] if isinstance(p.get("targetPort"), int) else p["port"]}
                 for p in item["spec"].get("ports", ())])


class Battery(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.lab = cls.stack.enter_context(lab.Lab(ranges=["10.96.0.0/12", "fd00:10:96::/112"]))
        cls.folder = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def check(self, name, items, *option_sets, manifests=None):
        """manifests: a folder with the same; otherwise what the API server made of the objects is written to one."""
        self.lab.clear()
        objects.load(self.lab.api, items)
        stored = objects.read(self.lab.api)
        if not manifests:
            manifests = self.folder / name
            write_manifests(stored, manifests)
        for options in option_sets:
            with contextlib.ExitStack() as servers:
                text = lab.corefile(self.lab.kubeconfig(), options)
                of_api = servers.enter_context(lab.Server(lab.clusterdns(), text, self.folder, f"{name}.api"))
                text = (".:{port} {\n    bind 127.0.0.1\n    errors\n"
                        f"    kubernetes cluster.local in-addr.arpa ip6.arpa {{\n        manifests {manifests}\n" +
                        "".join(f"        {o}\n" for o in options) + "    }\n}\n")
                of_files = servers.enter_context(lab.Server(lab.clusterdns(), text, self.folder, f"{name}.files"))
                for server in (of_api, of_files):
                    server.wait_for("kubernetes.default.svc.cluster.local.", "A", lambda a: a.rcode != "SERVFAIL")
                # What is there because it is an API server, nobody has written down.
                asked = [q for q in questions.everything(stored)
                         if not re.search("kube-(public|node-lease)|192.0.2.1|192-0-2-1|[12].2.0.192", q[0].lower())]
                clients = [servers.enter_context(contextlib.closing(s.client())) for s in (of_api, of_files)]
                api, files = (client.ask_all(asked) for client in clients)
            wrong = [q for q in asked if api[q] is None or files[q] is None
                     or differences.canonical(api[q]) != differences.canonical(files[q])]
            answered = sum(bool(a and a.answer) for a in api.values())
            print(f"{name} {options}: {len(asked)} questions, {answered} with an answer, {len(wrong)} not alike",
                  flush=True)
            self.assertGreater(answered, 30, "nothing was asked that exists")
            if wrong:
                shown = "\n".join(f"{q[0]} {q[1]}\n    API       {api[q]}\n    manifests {files[q]}"
                                  for q in wrong[:SHOWN])
                self.fail(f"{len(wrong)} answers are not alike with {options}:\n{shown}")

    def test_written(self):
        self.check("written", list(objects.written()), ["pods insecure"], ["pods verified", "endpoint_pod_names"],
                   ["zonal"], ["pods disabled", "ignore empty_service", "namespaces alpha beta default"])

    def test_generated(self):
        self.check("generated", [*objects.generated(3, 80)], ["pods verified"], ["labels tier in (front)"])

    def test_examples(self):
        folder = lab.ROOT / "deploy" / "examples"
        self.check("examples", list(from_manifests(folder)), ["pods insecure"], manifests=folder)


if __name__ == "__main__":
    lab.main(Battery)
