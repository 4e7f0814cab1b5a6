"""The program in the place of NodeLocal DNSCache's node-cache, as its DaemonSet starts it, on a node that
is a network namespace."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import support

DATA = os.path.join(support.ROOT, "tests/deploy/data/nodelocaldns")
LOCAL = "169.254.20.10"
SERVICE = "10.96.0.10"
CLUSTER_DNS = "10.105.7.3"
CORP_DNS = "192.0.2.53"
NAME = "my-service.default.svc.cluster.local"
ERRORS = "coredns_nodecache_setup_errors_total"


class NodeCache(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.need_root()
        support.need("dig", "ip", "curl", "setpriv")
        cls.namespace = support.Namespace()
        cls.addClassCleanup(cls.namespace.close)
        cls.addClassCleanup(shutil.rmtree, servers := tempfile.mkdtemp(), ignore_errors=True)
        for address in (CLUSTER_DNS, CORP_DNS):
            cls.namespace.run("ip", "address", "add", address + "/32", "dev", "lo")
        # `ip netns exec` lays it over /etc/resolv.conf: nothing here asks the machine's servers.
        etc = f"/etc/netns/{cls.namespace.name}"
        os.makedirs(etc)
        cls.addClassCleanup(shutil.rmtree, etc)
        with open(f"{etc}/resolv.conf", "w", encoding="utf-8") as file:
            file.write(f"nameserver {CORP_DNS}\n")
        cls.other(servers, "cluster", f"cluster.local in-addr.arpa {{\n    bind {CLUSTER_DNS}\n    kubernetes {{\n"
                  f"        manifests {support.ROOT}/deploy/examples\n    }}\n}}\n")
        cls.other(servers, "corp", f".:53 {{\n    bind {CORP_DNS}\n    hosts {{\n"
                  "        192.0.2.77 www.corp.example\n        192.0.2.78 www.example\n    }\n}\n")
        support.until("cluster DNS", lambda: cls.namespace.ask(CLUSTER_DNS, NAME))
        support.until("corporate DNS", lambda: cls.namespace.ask(CORP_DNS, "www.example"))
        # A kernel without dummy interfaces: the program says what to do, and this does it.
        try:
            cls.namespace.run("ip", "link", "add", "try", "type", "dummy")
            cls.namespace.run("ip", "link", "delete", "try")
            cls.interface = "nodelocaldns"
        except support.Failed:
            cls.interface = "lo"

    @classmethod
    def other(cls, folder, name, corefile):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(corefile)
        process = subprocess.Popen(
            ["ip", "netns", "exec", cls.namespace.name, support.program(), "-conf", path],
            stdout=subprocess.DEVNULL)
        cls.addClassCleanup(process.wait, support.PATIENCE)
        cls.addClassCleanup(process.terminate)

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.config_map = os.path.join(self.folder, "kube-dns")
        os.mkdir(self.config_map)
        self.base = os.path.join(self.folder, "Corefile.base")
        shutil.copy(os.path.join(DATA, "Corefile.base"), self.base)
        self.corefile = os.path.join(self.folder, "Corefile")
        self.pidfile = os.path.join(self.folder, "pid")

    def start(self, *options, before=(), environment=None, local=f"{LOCAL},{SERVICE}"):
        self.log = os.path.join(self.folder, "log")
        words = ["ip", "netns", "exec", self.namespace.name, *before, support.program(), "-localip", local,
                 "-conf", self.corefile, "-upstreamsvc", "kube-dns-upstream", "-pidfile", self.pidfile,
                 "-basecorefile", self.base, "-kubednscm", self.config_map, "-interfacename",
                 self.interface, *options]
        with open(self.log, "wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, env={
                **os.environ, **({"KUBE_DNS_UPSTREAM_SERVICE_HOST": CLUSTER_DNS}
                                 if environment is None else environment)})
        self.addCleanup(process.wait, support.PATIENCE)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def printed(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def until_printed(self, text, process):
        def condition():
            self.assertIsNone(process.poll(), self.printed())
            return text in self.printed()
        support.until(f"{text!r} in the log", condition)

    def until_answers(self, process, server, name):
        def condition():
            self.assertIsNone(process.poll(), self.printed())
            return self.namespace.ask(server, name)
        return support.until(f"{server} answers {name}", condition)

    def end(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(support.PATIENCE), 0, self.printed())

    def has_address(self, address):
        return f" {address}/32 " in self.namespace.run("ip", "address")

    def need_iptables(self, command):
        support.need(command)
        here = ("ip", "netns", "exec", self.namespace.name)
        # What the rules are made of; a kernel may lack any of it.
        support.need_to_work("rules of nf_tables", *here, command, "-A", "INPUT", "-p", "udp", "--dport", "53",
                             "-m", "comment", "--comment", "try", "-j", "ACCEPT")
        self.namespace.run(command, "-F")
        if shutil.which("nft"):
            support.need_to_work("notrack", *here, "nft", "add table ip try; add chain ip try c { type filter "
                                 "hook output priority -300; }; add rule ip try c notrack; delete table ip try")

    def rules(self):
        return self.namespace.run("nft", "list", "ruleset") if shutil.which("nft") else None

    def metrics(self, address="127.0.0.1:9353"):
        text = support.until("metrics", lambda: self.namespace.run(
            "curl", "--silent", "--fail", f"http://{address}/metrics"))
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def errors(self):
        found = {}
        for key, value in self.metrics().items():
            if match := re.fullmatch(ERRORS + r'\{errortype="(\w+)"\}', key):
                found[match[1]] = int(value)
        return found

    def test_as_the_daemonset_starts_it(self):
        process = self.start()
        expected = self.namespace.ask(CLUSTER_DNS, NAME)
        self.assertEqual(self.until_answers(process, LOCAL, NAME), expected)
        self.assertEqual(self.namespace.ask(SERVICE, NAME), expected)
        self.assertEqual(self.namespace.ask(SERVICE, NAME, "A", "+tcp"), expected)
        self.assertEqual(self.namespace.ask(LOCAL, "www.example"), ["192.0.2.78"])
        self.assertTrue(self.has_address(LOCAL) and self.has_address(SERVICE))
        with open(self.corefile, encoding="utf-8") as file:
            corefile = file.read()
        self.assertIn(f"bind {LOCAL} {SERVICE} \n    forward . {CLUSTER_DNS} {{\n        force_tcp", corefile)
        self.assertIn("forward . /etc/resolv.conf\n", corefile)
        self.assertEqual(support.until("its health", lambda: self.namespace.run(
            "curl", "--silent", f"http://{LOCAL}:8080/health")), "OK")
        support.until("the pid file", lambda: os.path.exists(self.pidfile))
        with open(self.pidfile, encoding="utf-8") as file:
            self.assertEqual(int(file.read()), process.pid)
        self.until_printed("that skip connection tracking", process)
        errors = self.errors()
        self.namespace.ask(LOCAL, NAME)
        self.assertEqual(sorted(errors), ["configmap", "interface_add", "interface_check", "iptables",
                                          "iptables_lock"])
        self.assertIn('coredns_cache_entries{server="dns://' + LOCAL + ':53",type="success",view="",zones="."}',
                      self.metrics("127.0.0.1:9253"))
        if errors["iptables"] == 0 and (rules := self.rules()) is not None:
            self.assertEqual(rules.count("notrack"), 2 * 8, rules)
            self.assertRegex(rules, rf"ip daddr {LOCAL} udp dport 53 counter packets [1-9]")
        self.end(process)
        self.assertFalse(self.has_address(LOCAL) or self.has_address(SERVICE))
        self.assertFalse(os.path.exists(self.pidfile))
        self.assertTrue(self.has_address(CLUSTER_DNS))
        if (rules := self.rules()) is not None:
            self.assertNotIn("notrack", rules)

    def test_firewall_of_iptables(self):
        self.need_iptables("iptables-nft")
        iptables = ["iptables-nft", "-S"]
        # A chain is there once something was in it.
        for chain in ("INPUT", "OUTPUT"):
            self.namespace.run("iptables-nft", "-A", chain, "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        self.addCleanup(self.namespace.run, "iptables-nft", "-F")
        before = self.namespace.run(*iptables)
        process = self.start()
        self.until_printed("Added rules", process)
        self.assertEqual(self.errors()["iptables"], 0, self.printed())
        rules = self.namespace.run(*iptables)
        for address in (LOCAL, SERVICE):
            for protocol in ("tcp", "udp"):
                end = '-m comment --comment "NodeLocal DNS Cache: allow DNS traffic" -j ACCEPT'
                self.assertIn(f"-A INPUT -d {address}/32 -p {protocol} -m {protocol} --dport 53 {end}", rules)
                self.assertIn(f"-A OUTPUT -s {address}/32 -p {protocol} -m {protocol} --sport 53 {end}", rules)
        process.kill()
        process.wait(support.PATIENCE)
        # What was left is not there twice.
        process = self.start("-syncinterval", "1")
        self.until_printed("Added rules", process)
        self.assertEqual(self.namespace.run(*iptables), rules)
        # What somebody takes away comes back.
        self.namespace.run("iptables-nft", "-F", "OUTPUT")
        self.namespace.run("iptables-nft", "-A", "OUTPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        support.until("the rules again", lambda: self.namespace.run(*iptables) == rules)
        self.end(process)
        self.assertEqual(self.namespace.run(*iptables), before)

    def test_both_families(self):
        """The addresses of IPv6 have rules of their own; what is loopback's stays with it."""
        self.need_iptables("ip6tables-nft")
        support.need("nft")
        address = ("ip", "-6", "address")
        support.need_to_work("IPv6", "ip", "netns", "exec", self.namespace.name, *address,
                             "add", "fd00:10:96::fe/128", "dev", "lo")
        self.namespace.run(*address, "del", "fd00:10:96::fe/128", "dev", "lo")
        v6 = "fd00:10:96::a"
        for chain in ("INPUT", "OUTPUT"):
            self.namespace.run("ip6tables-nft", "-A", chain, "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        self.addCleanup(self.namespace.run, "ip6tables-nft", "-F")
        before = self.namespace.run("ip6tables-nft", "-S")
        process = self.start(local=f"{LOCAL},{v6}")
        self.assertTrue(self.until_answers(process, v6, NAME))
        self.until_printed("Added rules", process)
        self.assertEqual(self.errors()["iptables"], 0, self.printed())
        rules = self.namespace.run("ip6tables-nft", "-S")
        self.assertIn(f"-A INPUT -d {v6}/128 -p udp -m udp --dport 53 ", rules)
        self.assertIn(f"-A OUTPUT -s {v6}/128 -p tcp -m tcp --sport 53 ", rules)
        self.namespace.ask(v6, NAME)
        self.assertRegex(self.rules(), rf"ip6 daddr {v6} udp dport 53 counter packets [1-9]")
        self.end(process)
        self.assertEqual(self.namespace.run("ip6tables-nft", "-S"), before)
        self.assertNotIn(v6, self.namespace.run("ip", "address"))
        self.assertIn("::1/128", self.namespace.run("ip", "address"))

    def test_config_map_changes(self):
        process = self.start("-setupiptables=false")
        self.until_answers(process, LOCAL, NAME)
        self.assertEqual(self.namespace.ask(LOCAL, "www.corp.example"), ["192.0.2.77"])
        domains = os.path.join(self.config_map, "stubDomains")

        def write(text):
            with open(domains + ".new", "w", encoding="utf-8") as file:
                file.write(text)
            os.rename(domains + ".new", domains)

        write(f'{{"corp.example": ["{CORP_DNS}"]}}')
        self.until_printed("Reloading complete", process)
        with open(self.corefile, encoding="utf-8") as file:
            self.assertIn(f"corp.example:53 {{\n    errors\n    cache 30\n    bind {LOCAL} {SERVICE}\n"
                          f"    forward . {CORP_DNS}\n}}\n", file.read())
        self.assertEqual(self.namespace.ask(LOCAL, "www.corp.example"), ["192.0.2.77"])
        # The last good one goes on.
        write('{"corp.example": ["nonsense here"]}')
        self.until_printed("'nonsense here' is not the address of a server; going on with what the "
                           "ConfigMap was before", process)
        self.assertEqual(self.errors()["configmap"], 1)
        self.assertEqual(self.namespace.ask(LOCAL, "www.corp.example"), ["192.0.2.77"])
        # And so does the last good template.
        with open(self.base, "a", encoding="utf-8") as file:
            file.write("__PILLAR__DNS__DOMAIN__ {\n}\n")
        self.until_printed("'__PILLAR__DNS__DOMAIN__' is left over from the manifest", process)
        self.assertEqual(self.namespace.ask(LOCAL, NAME), self.namespace.ask(CLUSTER_DNS, NAME))
        self.end(process)
        self.assertNotIn("skip connection tracking", self.printed())

    def test_follows_without_reload_when_told(self):
        with open(self.base, encoding="utf-8") as file:
            text = file.read()
        with open(self.base, "w", encoding="utf-8") as file:
            file.write(text.replace("    reload\n", ""))
        process = self.start("-reloadwithsignal", "-setupiptables=false")
        self.until_answers(process, LOCAL, NAME)
        with open(os.path.join(self.config_map, "upstreamNameservers"), "w", encoding="utf-8") as file:
            file.write(f'["{CORP_DNS}"]')
        self.until_printed("Reloading complete", process)
        with open(self.corefile, encoding="utf-8") as file:
            self.assertIn(f"forward . {CORP_DNS}\n", file.read())
        self.end(process)

    def test_without_a_template(self):
        os.rename(self.base, self.corefile)
        with open(self.corefile, encoding="utf-8") as file:
            text = file.read()
        text = text.replace("__PILLAR__LOCAL__DNS__", LOCAL).replace("__PILLAR__DNS__SERVER__", "")
        text = text.replace("__PILLAR__CLUSTER__DNS__", CLUSTER_DNS)
        with open(self.corefile, "w", encoding="utf-8") as file:
            file.write(text.replace("__PILLAR__UPSTREAM__SERVERS__", CORP_DNS))
        process = self.start("-setupiptables=false", local=LOCAL)
        self.assertTrue(self.until_answers(process, LOCAL, NAME))
        self.until_printed("is served as it is", process)
        self.assertEqual(self.errors()["configmap"], 0)
        self.end(process)

    def test_wrong_input_ends_with_a_reason(self):
        def fails(reason, code=1, **more):
            process = self.start(**more)
            self.assertEqual(process.wait(support.PATIENCE), code)
            self.assertIn(reason, self.printed())
            self.assertFalse(self.has_address(LOCAL), "nothing stays behind")

        fails("KUBE_DNS_UPSTREAM_SERVICE_HOST is not set", environment={})
        fails("'__PILLAR__LOCAL__DNS__' is not an IP address; the manifest is a template", 2,
              local="__PILLAR__LOCAL__DNS__")
        os.truncate(self.base, 0)
        with open(self.base, "w", encoding="utf-8") as file:
            file.write(".:53 {\n    frward . __PILLAR__CLUSTER__DNS__\n}\n")
        fails(f"{self.base}:2:5: ")
        os.remove(self.base)
        fails(f"{self.base}")

    def test_skipteardown(self):
        process = self.start("-skipteardown")
        self.until_answers(process, LOCAL, NAME)
        self.end(process)
        self.assertTrue(self.has_address(LOCAL) and self.has_address(SERVICE))
        process = self.start()
        self.until_answers(process, LOCAL, NAME)
        self.end(process)
        self.assertFalse(self.has_address(LOCAL) or self.has_address(SERVICE))

    def test_without_the_capability(self):
        for address in (LOCAL, SERVICE):
            self.namespace.run("ip", "address", "add", address + "/32", "dev", "lo")
            self.addCleanup(self.namespace.run, "ip", "address", "del", address + "/32", "dev", "lo")
        process = self.start(before=["setpriv", "--bounding-set=-net_admin"])
        self.assertTrue(self.until_answers(process, LOCAL, NAME))
        for what in ("interface_add", "iptables"):
            support.until(f"{what} is counted", lambda what=what: self.errors()[what] > 0)
        support.until("both are told", lambda: re.search("the interface .*NET_ADMIN", self.printed())
                      and re.search("connection tracking .*NET_ADMIN", self.printed()))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(support.PATIENCE), 0)

    def test_metrics_address_is_taken(self):
        process = self.start("-metrics-listen-address", f"{CORP_DNS}:53", "-setupiptables=false")
        self.assertTrue(self.until_answers(process, LOCAL, NAME))
        self.until_printed("going on without it. Name another address with -metrics-listen-address", process)
        self.end(process)


if __name__ == "__main__":
    support.main()
