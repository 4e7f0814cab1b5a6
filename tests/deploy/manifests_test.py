"""The manifests of deploy/kubernetes, applied to a real API server."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

import support

sys.path.insert(0, os.path.join(support.ROOT, "tests/cluster"))
import lab  # noqa: E402

KUBERNETES = os.path.join(support.ROOT, "deploy/kubernetes")
# The account that both stand-alone forms run as, and what it may do.
READS = [("", "services"), ("", "namespaces"), ("", "pods"), ("discovery.k8s.io", "endpointslices")]


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.need("kubectl")
        cls.addClassCleanup(shutil.rmtree, folder := tempfile.mkdtemp(), ignore_errors=True)
        cls.folder = folder
        try:
            cls.lab = lab.Lab()
        except lab.Skip as reason:
            raise unittest.SkipTest(str(reason))
        cls.lab.__enter__()
        cls.addClassCleanup(cls.lab.stop)
        cls.api = cls.lab.api
        # kubectl asks /openapi and /apis once, and keeps the answers there.
        cls.environment = {**os.environ, "KUBECONFIG": str(cls.lab.folder / "admin.kubeconfig"),
                           "KUBECACHEDIR": os.path.join(folder, "cache"), "HOME": folder}

    @classmethod
    def kubectl(cls, *words):
        return support.run("kubectl", *words, env=cls.environment)

    def rendered(self, name):
        text = self.kubectl("kustomize", os.path.join(KUBERNETES, name))
        return [item for item in yaml.safe_load_all(text) if item]

    def apply(self, name, *words):
        """Fails on every field that the API does not know."""
        return self.kubectl("apply", "--validate=strict", *words, "-k",
                            os.path.join(KUBERNETES, name))

    def may(self, account, verb, group, resource, namespace=None):
        attributes = {"verb": verb, "group": group, "resource": resource}
        if namespace:
            attributes["namespace"] = namespace
        review = self.api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": account, "resourceAttributes": attributes}})
        return review["status"]["allowed"]

    def check_account(self, account):
        for group, resource in READS:
            for verb in ("list", "watch"):
                self.assertTrue(self.may(account, verb, group, resource), f"{verb} {resource}")
        for verb, group, resource in [("list", "", "secrets"), ("list", "", "configmaps"),
                                      ("get", "", "services"), ("update", "", "services"),
                                      ("create", "", "pods"), ("list", "", "nodes")]:
            self.assertFalse(self.may(account, verb, group, resource), f"{verb} {resource}")

    def check_pod(self, template, namespace):
        """That admission lets a pod of the template in, Pod Security's among it. A pod of a class
        of priority that no controller has made here is let in without."""
        pod = {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": "admitted", "namespace": namespace}, "spec": template["spec"]}
        self.api.create(pod, "?dryRun=All")

    def test_standalone(self):
        self.apply("standalone")
        deployment = self.api.get("Deployment", "clusterdns", "clusterdns")
        # What is applied again rolls nothing out: the generation counts changes of the spec.
        self.apply("standalone")
        again = self.api.get("Deployment", "clusterdns", "clusterdns")
        self.assertEqual(deployment["metadata"]["generation"], again["metadata"]["generation"])
        self.check_pod(deployment["spec"]["template"], "clusterdns")
        self.check_account("system:serviceaccount:clusterdns:clusterdns")
        # The budget and the service mean the Deployment's pods.
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        budget = self.api.get("PodDisruptionBudget", "clusterdns", "clusterdns")
        service = self.api.get("Service", "clusterdns", "clusterdns")
        for selector in (budget["spec"]["selector"]["matchLabels"], service["spec"]["selector"],
                         deployment["spec"]["selector"]["matchLabels"]):
            self.assertLessEqual(selector.items(), labels.items())
        ports = {p["name"] for p in
                 deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
        self.assertLessEqual({p["targetPort"] for p in service["spec"]["ports"]}, ports)

    def test_standalone_pod_security_is_enforced(self):
        """That check_pod() above would have noticed."""
        self.apply("standalone")
        template = self.api.get("Deployment", "clusterdns", "clusterdns")["spec"]["template"]
        template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        with self.assertRaisesRegex(lab.Refused, "PodSecurity"):
            self.check_pod(template, "clusterdns")

    def test_node_local(self):
        self.apply("node-local")
        daemonset = self.api.get("DaemonSet", "kube-system", "clusterdns-node-local")
        self.check_pod(daemonset["spec"]["template"], "kube-system")
        self.check_account("system:serviceaccount:kube-system:clusterdns-node-local")
        # The address is written in three places, and they agree.
        pod = daemonset["spec"]["template"]["spec"]
        address = pod["initContainers"][0]["args"][1]
        corefile = self.api.get("ConfigMap", "kube-system", "clusterdns-node-local")["data"]
        self.assertIn(f"bind {address}\n", corefile["Corefile"])
        for probe in ("livenessProbe", "readinessProbe"):
            self.assertEqual(pod["containers"][0][probe]["httpGet"]["host"], address)

    def test_node_cache(self):
        self.apply("node-cache")
        pod = self.api.get("DaemonSet", "kube-system", "clusterdns-node-cache")["spec"]["template"]
        self.check_pod(pod, "kube-system")
        container = pod["spec"]["containers"][0]
        options = dict(zip(container["args"][::2], container["args"][1::2]))
        service = self.api.get("Service", "kube-system", options["-upstreamsvc"])
        self.assertEqual(service["spec"]["selector"], {"k8s-app": "kube-dns"})
        address = options["-localip"]
        self.assertEqual(container["livenessProbe"]["httpGet"]["host"], address)
        template = self.api.get("ConfigMap", "kube-system", "clusterdns-node-cache")["data"]
        self.assertIn(f"health {address}:8080\n", template["Corefile.base"])

    def test_canary_is_beside_the_service(self):
        """The account and the Corefile of kubeadm's CoreDNS, and none of its queries."""
        self.kubectl("apply", "-f", os.path.join(support.ROOT, "tests/cluster/data/kubeadm.yaml"))
        self.apply("canary")
        coredns = self.api.get("Deployment", "kube-system", "coredns")["spec"]["template"]["spec"]
        template = self.api.get("Deployment", "kube-system", "clusterdns-canary")["spec"]["template"]
        self.check_pod(template, "kube-system")
        self.assertEqual(template["spec"]["serviceAccountName"], coredns["serviceAccountName"])
        self.assertEqual(template["spec"]["containers"][0]["args"], coredns["containers"][0]["args"])
        self.assertEqual(template["spec"]["volumes"][0]["configMap"]["name"],
                         coredns["volumes"][0]["configMap"]["name"])
        selector = self.api.get("Service", "kube-system", "kube-dns")["spec"]["selector"]
        self.assertFalse(selector.items() <= template["metadata"]["labels"].items())
        self.kubectl("delete", "-k", os.path.join(KUBERNETES, "canary"))

    def test_extra_rbac_is_optional(self):
        accounts = [f"system:serviceaccount:{name}" for name in
                    ("kube-system:coredns", "clusterdns:clusterdns",
                     "kube-system:clusterdns-node-local")]
        imports = ("multicluster.x-k8s.io", "serviceimports")
        for account in accounts:
            self.assertFalse(self.may(account, "list", *imports), account)
        self.apply("extra-rbac")
        for account in accounts:
            self.assertTrue(self.may(account, "list", *imports), account)
            self.assertTrue(self.may(account, "watch", *imports), account)

    def test_kubeadm_swap_changes_the_image_and_nothing_else(self):
        self.kubectl("apply", "-f", os.path.join(support.ROOT, "tests/cluster/data/kubeadm.yaml"))
        everything = ["Deployment", "ConfigMap", "Service", "ServiceAccount"]

        def state():
            items = [item for kind in everything for item in self.api.all(kind)
                     if item["metadata"].get("namespace") == "kube-system"]
            for item in items:
                for field in ("managedFields", "resourceVersion", "generation"):
                    item["metadata"].pop(field, None)
            return items

        before = state()
        self.apply("kubeadm", "--server-side", "--force-conflicts", "--field-manager=clusterdns")
        after = state()
        image = self.rendered("kubeadm")[0]["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in before:
            if item["kind"] == "Deployment" and item["metadata"]["name"] == "coredns":
                container = item["spec"]["template"]["spec"]["containers"][0]
                self.assertNotEqual(container["image"], image)
                container["image"] = image
        self.assertEqual(json.dumps(before, sort_keys=True, indent=1),
                         json.dumps(after, sort_keys=True, indent=1))


if __name__ == "__main__":
    support.main()
