#!/usr/bin/python3
"""Asks clusterdns and CoreDNS, both on one API server, the same thousands of questions.

Every difference must be one that a rule in differences.py explains; a rule that explains none is out of date and
fails too.

  differential_test.py [--manifests] [CASE…]     CASE: `test_…`; --manifests: ours reads the objects from a file
"""

import contextlib
import json
import os
import pathlib
import random
import re
import sys
import tempfile
import unittest

import differences
import lab
import objects
import questions

# Some questions CoreDNS does not answer; each of them is asked twice for so many seconds.
TIMEOUT = 2.0
# For option sets that change little: every so-manieth question.
SOME = 3
# Differences that are printed when a case fails.
SHOWN = 25


def compare(items, ours, coredns, options, share=1):
    """(number of questions, [Case] of those that differ). share: every so-manieth question only."""
    asked = questions.everything(items)[::share]
    with contextlib.closing(ours.client()) as a, contextlib.closing(coredns.client()) as b:
        our_answers, their_answers = a.ask_all(asked, timeout=TIMEOUT), b.ask_all(asked, timeout=TIMEOUT)
    result = []
    for question in asked:
        us, them = our_answers[question], their_answers[question]
        if us is None or them is None or differences.canonical(us) != differences.canonical(them):
            result.append(differences.Case(question, them, us, items, options))
    return len(asked), result


class Differential(unittest.TestCase):
    """One API server, and for each set of options a pair of servers."""

    used = set()
    asked = 0
    differing = 0

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.lab = cls.stack.enter_context(lab.Lab())
        cls.folder = cls.stack.enter_context(tempfile.TemporaryDirectory())
        cls.coredns = lab.coredns()
        objects.load(cls.lab.api, objects.written())
        objects.load(cls.lab.api, objects.generated(1, 60))
        objects.load(cls.lab.api, objects.generated(2, 60))
        cls.items = objects.read(cls.lab.api)

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def both(self, name, options, zones="cluster.local in-addr.arpa ip6.arpa"):
        text = lab.corefile(self.lab.kubeconfig(), options, zones, more=["loadbalance"])
        servers = contextlib.ExitStack()
        self.addCleanup(servers.close)
        our_text = text
        if "--manifests" in sys.argv:
            path = pathlib.Path(self.folder) / "objects.json"
            path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": self.items}))
            our_text = re.sub("kubeconfig .*", f"manifests {path}", text)
        ours = servers.enter_context(lab.Server(lab.clusterdns(), our_text, self.folder, f"{name}.clusterdns"))
        coredns = servers.enter_context(lab.Server(self.coredns, text, self.folder, f"{name}.coredns"))
        for server in (ours, coredns):
            server.wait_for("kubernetes.default.svc.cluster.local.", "A", lambda a: a.rcode != "SERVFAIL")
            # The lists of the kinds arrive one by one.
            server.wait_for("kubernetes.default.svc.cluster.local.", "SRV", lambda a: a.rcode != "SERVFAIL")
        return ours, coredns

    def check(self, name, options, share=1):
        ours, coredns = self.both(name, options)
        self.report(name, options, *compare(self.items, ours, coredns, options, share))

    def report(self, name, options, asked, differing):
        unexplained = []
        for case in differing:
            rule = differences.explain(case)
            if rule:
                Differential.used.add(rule.name)
            else:
                unexplained.append(case)
        Differential.asked += asked
        Differential.differing += len(differing)
        print(f"{name}: {asked} questions, {len(differing)} answered otherwise, {len(unexplained)} of them unexplained",
              flush=True)
        if out := os.environ.get("CLUSTERDNS_DIFFERENCES"):
            with open(out, "a") as file:
                for case in unexplained:
                    file.write(json.dumps([name, *map(str, case[:3])]) + "\n")
        if unexplained:
            shown = "\n".join(f"{' '.join(map(str, case.question))}\n    CoreDNS    {case.them}\n"
                              f"    clusterdns {case.us}" for case in unexplained[:SHOWN])
            self.fail(f"{len(unexplained)} unexplained differences with {options}:\n{shown}")

    def test_insecure(self):
        self.check("insecure", ["pods insecure", "ttl 30"])

    def test_verified(self):
        self.check("verified", ["pods verified"])

    def test_disabled(self):
        self.check("disabled", ["pods disabled"], SOME)

    def test_pod_names(self):
        self.check("pod_names", ["pods verified", "endpoint_pod_names", "ttl 7"])

    def test_namespaces(self):
        self.check("namespaces", ["pods insecure", "namespaces alpha default pod gen-1-0"], SOME)

    def test_labels(self):
        self.check("labels", ["labels tier in (back)"], SOME)

    def test_namespace_labels(self):
        self.check("namespace_labels", ["namespace_labels team=a"], SOME)

    def test_no_endpoints(self):
        self.check("no_endpoints", ["noendpoints"], SOME)

    def test_ignore_empty(self):
        self.check("ignore_empty", ["ignore empty_service"], SOME)

    def test_zonal(self):
        self.check("zonal", ["zonal"], SOME)

    def test_multicluster(self):
        """Services imported from other clusters, in a zone of their own."""
        api = self.lab.api
        for item in objects.imports_definition():
            api.put(item)
        lab.until("the API server serves imports",
                  lambda: api.request("GET", "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports")[0] == 200)
        objects.load(api, objects.imported())
        services = [{**i, "spec": {**i["spec"], "clusterIPs": i["spec"].get("ips", ["None"])}}
                    for i in api.all("ServiceImport")]
        slices = {}
        for item in api.all("EndpointSlice"):
            of = (item["metadata"].get("labels") or {}).get("multicluster.kubernetes.io/service-name")
            if of:
                slices.setdefault((item["metadata"]["namespace"], of), []).append(item)
        rng = random.Random(4)
        asked = [q for i in services for q in questions.of_import(
            i, slices.get((i["metadata"]["namespace"], i["metadata"]["name"]), []), rng)]
        asked += questions.of_zone([i["metadata"]["name"] for i in self.items if i["kind"] == "Namespace"])
        # What the cluster's own zone has, the imports' has not, and the other way round.
        own = [q for q in asked if q[0].lower().endswith(questions.ZONE)]
        asked = [(q[0][:-len(questions.ZONE)] + "clusterset.local.", q[1]) for q in own] + own
        asked = [q for q in dict.fromkeys(asked) if questions.valid(q[0])]
        ours, coredns = self.both("multicluster", ["pods insecure", "multicluster clusterset.local"],
                                  "cluster.local clusterset.local in-addr.arpa ip6.arpa")
        items = [{**i, "kind": "Service"} for i in services]
        self.report("multicluster", "multicluster", *self.compare_imports(asked, ours, coredns, lambda question: (
            (question[0].replace("clusterset.local.", "cluster.local."), question[1]),
            items if "clusterset" in question[0] else self.items)))

    def compare_imports(self, asked, ours, coredns, as_rules_see_it):
        with contextlib.closing(ours.client()) as a, contextlib.closing(coredns.client()) as b:
            our_answers, their_answers = a.ask_all(asked, timeout=TIMEOUT), b.ask_all(asked, timeout=TIMEOUT)
        result = []
        for question in asked:
            us, them = our_answers[question], their_answers[question]
            if us is None or them is None or differences.canonical(us) != differences.canonical(them):
                seen, items = as_rules_see_it(question)
                result.append(differences.Case(seen, them, us, items, "multicluster"))
        self.assertGreater(sum(bool(a and a.answer) for a in our_answers.values()), 100, "nothing was asked that exists")
        return len(asked), result

    def test_z_every_rule_is_used(self):
        """Last, by its name."""
        if any(not a.startswith("-") for a in sys.argv[1:]):
            self.skipTest("only some of the cases were run")
        unused = {rule.name for rule in differences.RULES} - Differential.used
        self.assertFalse(unused, "rules in differences.py that no difference needs: remove them")


if __name__ == "__main__":
    lab.main(Differential)
