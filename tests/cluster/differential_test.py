#!/usr/bin/python3
"""Asks clusterdns and CoreDNS, both on one API server, the same thousands of questions.

Every difference must be one that a rule in differences.py explains; a rule that explains none is out of date and
fails too.

  differential_test.py [--keep-going] [CASE…]     CASE: the part after `test_`
"""

import contextlib
import json
import os
import sys
import tempfile
import unittest

import differences
import lab
import objects
import questions

# Differences that are printed when a case fails.
SHOWN = 25


def compare(items, ours, coredns, options, asked=None):
    """[(question, their answer, our answer)] of those that differ."""
    asked = asked or questions.everything(items)
    with contextlib.closing(ours.client()) as a, contextlib.closing(coredns.client()) as b:
        our_answers, their_answers = a.ask_all(asked), b.ask_all(asked)
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

    def both(self, name, options):
        text = lab.corefile(self.lab.kubeconfig(), options, more=["loadbalance"])
        servers = contextlib.ExitStack()
        self.addCleanup(servers.close)
        ours = servers.enter_context(lab.Server(lab.clusterdns(), text, self.folder, f"{name}.clusterdns"))
        coredns = servers.enter_context(lab.Server(self.coredns, text, self.folder, f"{name}.coredns"))
        for server in (ours, coredns):
            server.wait_for("kubernetes.default.svc.cluster.local.", "A", lambda a: a.rcode != "SERVFAIL")
            # The lists of the kinds arrive one by one.
            server.wait_for("kubernetes.default.svc.cluster.local.", "SRV", lambda a: a.rcode != "SERVFAIL")
        return ours, coredns

    def check(self, name, options):
        ours, coredns = self.both(name, options)
        asked, differing = compare(self.items, ours, coredns, options)
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
        self.check("disabled", ["pods disabled"])

    def test_pod_names(self):
        self.check("pod_names", ["pods verified", "endpoint_pod_names", "ttl 7"])

    def test_namespaces(self):
        self.check("namespaces", ["pods insecure", "namespaces alpha default pod gen-1-0"])

    def test_labels(self):
        self.check("labels", ["labels tier in (back)"])

    def test_namespace_labels(self):
        self.check("namespace_labels", ["namespace_labels team=a"])

    def test_no_endpoints(self):
        self.check("no_endpoints", ["noendpoints"])

    def test_ignore_empty(self):
        self.check("ignore_empty", ["ignore empty_service"])

    def test_z_every_rule_is_used(self):
        """Last, by its name."""
        if len(sys.argv) > 1:
            self.skipTest("only some of the cases were run")
        unused = {rule.name for rule in differences.RULES} - Differential.used
        self.assertFalse(unused, "rules in differences.py that no difference needs: remove them")


if __name__ == "__main__":
    lab.main(Differential)
