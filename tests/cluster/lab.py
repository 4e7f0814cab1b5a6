"""A real Kubernetes control plane on loopback for the tests: etcd and kube-apiserver, on free ports, with keys of
its own, ended with the test. `lab/build` makes the programs; `lab/up` starts one by hand."""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
from ports import free_port  # noqa: E402

# Of ctest: the test did not run, and says why.
SKIPPED = 77
# Sanitizers, other tests on the same cores: seconds until a step counts as failed.
PATIENCE = 60
SERVICE_RANGES = ["10.96.0.0/16", "fd00:10:96::/112"]
# Where kubeadm puts the DNS service: the tenth address of the range.
DNS_ADDRESS = "10.96.0.10"

# kubeadm's own, cmd/kubeadm/app/phases/addons/dns of Kubernetes 1.36.
RULES = [{"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
         {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]


class Skip(Exception):
    """The test cannot run here; the text says why."""


class Failed(Exception):
    """A program of the lab does not do what it must; the text has its log."""


def binaries():
    """The folder of etcd, kube-apiserver and coredns, built if needed. Raises Skip without Go."""
    done = subprocess.run([HERE / "lab" / "build"], capture_output=True, text=True)
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode == SKIPPED:
        raise Skip(lines[-1].removeprefix("SKIPPED: "))
    if done.returncode != 0:
        raise Failed(f"tests/cluster/lab/build:\n{done.stdout}{done.stderr}")
    return pathlib.Path(lines[-1])


def until(what, condition, limit=PATIENCE, every=0.02):
    """What `condition` returns, as soon as that is true. Raises Failed with `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(every)


LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """In a child before exec: whatever ends the test also ends the child. (PR_SET_PDEATHSIG)"""
    LIBC.prctl(1, signal.SIGKILL)


class Process:
    """A child with its output in a file."""

    def __init__(self, name, command, log, env=None, cwd=None):
        self.name, self.log = name, pathlib.Path(log)
        self.began = time.monotonic()
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=out, env=env, cwd=cwd, preexec_fn=lambda: die_with_parent())
        self.pid = self.child.pid

    def running(self):
        return self.child.poll() is None

    def send(self, number):
        self.child.send_signal(number)

    def output(self):
        return self.log.read_text(errors="replace")

    def tail(self):
        return f"{self.name} ({' '.join(map(str, self.child.args))}):\n{self.output()[-3000:]}"

    def wait_for(self, what, condition, limit=PATIENCE, every=0.02):
        def check():
            if not self.running():
                raise Failed(f"{self.name} ended with {self.child.returncode} before {what}\n{self.tail()}")
            return condition()
        return until(lambda: f"{what}\n{self.tail()}", check, limit, every)

    def stop(self, number=signal.SIGTERM, limit=PATIENCE):
        """Ends it and returns its exit code, negative for a signal."""
        if self.running():
            # A stopped process takes its signals only when it goes on.
            self.send(number)
            self.send(signal.SIGCONT)
            try:
                self.child.wait(limit)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode


class Refused(Exception):
    """The API server answered with a status that the caller did not expect."""

    def __init__(self, status, text):
        super().__init__(f"{status} {text}")
        self.status = status


# Kinds that the tests write, with where the API has them; True: in a namespace.
KINDS = {
    "Namespace": ("/api/v1", "namespaces", False),
    "Service": ("/api/v1", "services", True),
    "Pod": ("/api/v1", "pods", True),
    "Endpoints": ("/api/v1", "endpoints", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices", True),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "DaemonSet": ("/apis/apps/v1", "daemonsets", True),
    "StatefulSet": ("/apis/apps/v1", "statefulsets", True),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets", True),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "ServiceImport": ("/apis/multicluster.x-k8s.io/v1alpha1", "serviceimports", True),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
}


class Api:
    """A client of the API server. Threads may share it: each has a connection of its own."""

    def __init__(self, port, ca, token):
        self.port, self.token = port, token
        self.context = ssl.create_default_context(cafile=ca)
        self.local = threading.local()

    def request(self, method, path, body=None, content="application/json", timeout=30):
        """(status, octets). Raises OSError or HTTPException when the server cannot be reached."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":")).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content, "Accept": "application/json"}
        for last in (False, True):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=timeout)
                self.local.connection = connection
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self.local.connection = None
                connection.close()
                # A kept connection may have been closed meanwhile; a new one that fails is an answer.
                if fresh or last:
                    raise

    def __call__(self, method, path, body=None, ok=(200, 201, 202), **more):
        """The decoded answer. Asks again while the server says that it is busy."""
        for attempt in range(8):
            status, text = self.request(method, path, body, **more)
            if status in ok:
                return json.loads(text) if text else None
            if status not in (429, 500, 503, 504):
                break
            time.sleep(0.05 * 2 ** attempt)
        raise Refused(status, f"{method} {path}: {text[:500].decode(errors='replace')}")

    @staticmethod
    def path(kind, namespace=None, name=None):
        group, plural, namespaced = KINDS[kind]
        where = f"/namespaces/{namespace or 'default'}" if namespaced else ""
        return f"{group}{where}/{plural}" + (f"/{name}" if name else "")

    def get(self, kind, namespace=None, name=None):
        return self("GET", self.path(kind, namespace, name))

    def all(self, kind):
        """Every object of a kind, in all namespaces, with apiVersion and kind, which lists leave out."""
        group, plural, _ = KINDS[kind]
        version = group.removeprefix("/apis/").removeprefix("/api/")
        return [{"apiVersion": version, "kind": kind, **item}
                for item in self("GET", f"{group}/{plural}")["items"]]

    def create(self, item, query=""):
        """Creates it, with its namespace when that is missing, and its status where that is apart."""
        meta = item["metadata"]
        path = self.path(item["kind"], meta.get("namespace"))
        try:
            made = self("POST", path + query, item)
        except Refused as e:
            if e.status != 404 or "namespaces" not in str(e):
                raise
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": meta["namespace"]}})
            made = self("POST", path + query, item)
        if item["kind"] in ("Pod", "Service") and item.get("status"):
            made = self("PATCH", f"{path}/{meta['name']}/status", {"status": item["status"]},
                        content="application/merge-patch+json")
        return made

    def replace(self, item):
        meta = item["metadata"]
        return self("PUT", self.path(item["kind"], meta.get("namespace"), meta["name"]), item)

    def patch(self, kind, namespace, name, change):
        return self("PATCH", self.path(kind, namespace, name), change, content="application/merge-patch+json")

    def put(self, item):
        """Creates it, or replaces what is there."""
        try:
            return self.create(item)
        except Refused as e:
            if e.status != 409:
                raise
            meta = item["metadata"]
            old = self.get(item["kind"], meta.get("namespace"), meta["name"])
            merged = {**item, "metadata": {**meta, "resourceVersion": old["metadata"]["resourceVersion"]}}
            if item["kind"] == "Service" and "clusterIP" not in item["spec"]:
                merged["spec"] = {**item["spec"], "clusterIP": old["spec"].get("clusterIP")}
            return self.replace(merged)

    def delete(self, kind, namespace, name):
        return self("DELETE", self.path(kind, namespace, name) + "?gracePeriodSeconds=0", ok=(200, 202, 404))


class Lab:
    """One control plane. `with Lab() as lab:` starts it and ends it.

    dual_stack: services may have IPv6 addresses. ranges: theirs, instead of SERVICE_RANGES. data: etcd's data and the keys of an earlier lab (see save()).
    """

    def __init__(self, dual_stack=True, folder=None, data=None, ranges=None):
        self.bin = binaries()
        self.owns_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="clusterdns-lab."))
        self.ranges = ranges or (SERVICE_RANGES if dual_stack else SERVICE_RANGES[:1])
        self.pki, self.sa = self.folder / "pki", self.folder / "sa"
        self.etcd = self.apiserver = self.api = self.port = None
        if data:
            for part in ("etcd", "pki"):
                shutil.copytree(pathlib.Path(data) / part, self.folder / part)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- keys ----

    def make_keys(self):
        if self.pki.exists():
            return
        self.pki.mkdir()
        os.chmod(self.pki, 0o700)

        def openssl(*arguments):
            done = subprocess.run(["openssl", *map(str, arguments)], cwd=self.pki, capture_output=True, text=True)
            if done.returncode != 0:
                raise Failed(f"openssl {' '.join(map(str, arguments))}: {done.stderr}")

        def key(name):
            openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{name}.key")

        key("ca")
        openssl("req", "-x509", "-new", "-key", "ca.key", "-sha256", "-days", 3650, "-subj", "/CN=lab", "-addext",
                "keyUsage=critical,digitalSignature,keyCertSign,cRLSign", "-out", "ca.crt")
        self.make_certificate("apiserver", "/CN=kube-apiserver", "serverAuth",
                              "subjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,"
                              "DNS:kubernetes.default.svc")
        self.make_certificate("admin", "/O=system:masters/CN=admin", "clientAuth")
        key("sa")
        openssl("ec", "-in", "sa.key", "-pubout", "-out", "sa.pub")
        token = base64.urlsafe_b64encode(os.urandom(24)).decode()
        (self.pki / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')

    def make_certificate(self, name, subject, usage, more="", days=3650):
        """NAME.crt and NAME.key of the lab's CA."""
        def openssl(*arguments):
            done = subprocess.run(["openssl", *map(str, arguments)], cwd=self.pki, capture_output=True, text=True)
            if done.returncode != 0:
                raise Failed(f"openssl {' '.join(map(str, arguments))}: {done.stderr}")

        openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{name}.key")
        (self.pki / f"{name}.ext").write_text(
            f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n"
            f"subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n{more}\n")
        openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                days, "-sha256", "-extfile", f"{name}.ext", "-out", f"{name}.crt")

    def write_kubeconfig(self, path, user, port=None):
        """user: lines of the user's entry. port: of a proxy in front of the API server."""
        ca = base64.b64encode((self.pki / "ca.crt").read_bytes()).decode()
        pathlib.Path(path).write_text(
            f"apiVersion: v1\nkind: Config\nclusters:\n- name: lab\n  cluster:\n"
            f"    server: https://127.0.0.1:{port or self.port}\n    certificate-authority-data: {ca}\n"
            f"users:\n- name: lab\n  user:\n" + "".join(f"    {line}\n" for line in user) +
            "contexts:\n- name: lab\n  context: {cluster: lab, user: lab}\ncurrent-context: lab\n")
        os.chmod(path, 0o600)
        return pathlib.Path(path)

    def kubeconfig(self, port=None):
        """A kubeconfig of the ServiceAccount kube-system/coredns. port: of a proxy in front of the API server."""
        path = self.folder / (f"coredns.{port}.kubeconfig" if port else "coredns.kubeconfig")
        return self.write_kubeconfig(path, [f"token: {(self.sa / 'token').read_text()}"], port)

    # ---- life ----

    def start(self):
        self.make_keys()
        self.start_etcd()
        self.start_apiserver()
        self.make_account()
        self.write_kubeconfig(self.folder / "admin.kubeconfig", [
            f"client-certificate-data: {base64.b64encode((self.pki / 'admin.crt').read_bytes()).decode()}",
            f"client-key-data: {base64.b64encode((self.pki / 'admin.key').read_bytes()).decode()}"])

    def start_etcd(self):
        for last in (False, False, True):
            port, peer = free_port(), free_port()
            self.etcd_url = f"http://127.0.0.1:{port}"
            peer_url = f"http://127.0.0.1:{peer}"
            # Nothing here outlives the machine: no fsync. Its member is made anew for data of another lab, whose
            # peer had another port.
            self.etcd = Process("etcd", [
                self.bin / "etcd", "--name", "lab", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
                "--log-level", "warn", "--listen-client-urls", self.etcd_url, "--advertise-client-urls", self.etcd_url,
                "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url, "--initial-cluster",
                f"lab={peer_url}", "--force-new-cluster=" + str((self.folder / "etcd").exists()).lower(),
                "--quota-backend-bytes", 8 << 30, "--auto-compaction-retention", "5m"], self.folder / "etcd.log")
            try:
                self.etcd.wait_for("etcd is healthy", lambda: self.http_ok(port, "/health"))
                return
            except Failed as e:
                self.etcd.stop()
                if last or "address already in use" not in str(e):
                    raise

    def start_apiserver(self, port=None, more=()):
        """Starts it, on `port` or a free one, and waits until it is ready."""
        for last in (False, False, True):
            self.port = port or free_port()
            self.apiserver = Process("kube-apiserver", [
                self.bin / "kube-apiserver", f"--etcd-servers={self.etcd_url}", "--bind-address=127.0.0.1",
                f"--secure-port={self.port}",
                # default/kubernetes has no endpoint when this is loopback.
                "--advertise-address=192.0.2.1",
                f"--service-cluster-ip-range={','.join(self.ranges)}", "--authorization-mode=RBAC",
                "--allow-privileged=true", f"--client-ca-file={self.pki}/ca.crt",
                f"--tls-cert-file={self.pki}/apiserver.crt", f"--tls-private-key-file={self.pki}/apiserver.key",
                f"--token-auth-file={self.pki}/tokens.csv",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={self.pki}/sa.pub", f"--service-account-signing-key-file={self.pki}/sa.key",
                # No controller makes the accounts that pods would need.
                "--disable-admission-plugins=ServiceAccount", *more], self.folder / "kube-apiserver.log")
            token = (self.pki / "tokens.csv").read_text().split(",")[0]
            self.api = Api(self.port, self.pki / "ca.crt", token)
            try:
                self.apiserver.wait_for("the API server is ready", self.ready, every=0.05)
                return
            except Failed as e:
                self.apiserver.stop(signal.SIGKILL)
                if port or last or "address already in use" not in str(e):
                    raise

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.api.request("GET", "/readyz", timeout=2)[0] == 200
        return False

    @staticmethod
    def http_ok(port, path):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", path)
            return connection.getresponse().status == 200
        return False

    def make_account(self):
        """ServiceAccount kube-system/coredns with kubeadm's rules, and its files as a pod has them."""
        until("the namespace kube-system", lambda: self.api.request("GET", "/api/v1/namespaces/kube-system")[0] == 200)
        self.api.put({"apiVersion": "v1", "kind": "ServiceAccount",
                      "metadata": {"name": "coredns", "namespace": "kube-system"}})
        rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "system:coredns"}}
        self.api.put({**rbac, "kind": "ClusterRole", "rules": RULES})
        self.api.put({**rbac, "kind": "ClusterRoleBinding",
                      "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                                  "name": "system:coredns"},
                      "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]})
        self.sa.mkdir(exist_ok=True)
        (self.sa / "token").write_text(self.token())
        (self.sa / "namespace").write_text("kube-system")
        shutil.copy(self.pki / "ca.crt", self.sa / "ca.crt")
        # The rules apply as soon as the authorizer has seen them.
        account = Api(self.port, self.pki / "ca.crt", (self.sa / "token").read_text())
        until("the account may list", lambda: account.request(
            "GET", "/apis/discovery.k8s.io/v1/endpointslices?limit=1")[0] == 200)

    def token(self, seconds=86400):
        """A new token of the account. The API server makes none that ends in less than ten minutes."""
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
        path = Api.path("ServiceAccount", "kube-system", "coredns") + "/token"
        return self.api("POST", path, asked)["status"]["token"]

    def restart_apiserver(self):
        """On the same port, after it was ended."""
        self.start_apiserver(self.port)

    def stop(self):
        for process in (self.apiserver, self.etcd):
            if process:
                # It waits for its watchers before it ends, which nobody here needs.
                process.stop(signal.SIGKILL if process is self.apiserver else signal.SIGTERM)
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def save(self, folder):
        """Ends the lab and keeps its data and keys for Lab(data=folder)."""
        owned, self.owns_folder = self.owns_folder, False
        self.stop()
        shutil.rmtree(folder, ignore_errors=True)
        new = pathlib.Path(f"{folder}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for part in ("etcd", "pki"):
            shutil.copytree(self.folder / part, new / part)
        new.rename(folder)
        if owned:
            shutil.rmtree(self.folder, ignore_errors=True)

    def clear(self):
        """Removes what tests made."""
        for kind in ("EndpointSlice", "Endpoints", "Service", "Pod"):
            for item in self.api.all(kind):
                meta = item["metadata"]
                if (meta["namespace"], meta["name"]) != ("default", "kubernetes"):
                    self.api.delete(kind, meta["namespace"], meta["name"])
        for item in self.api.all("Namespace"):
            name = item["metadata"]["name"]
            if name == "default" or name.startswith("kube-"):
                continue
            self.api.delete("Namespace", None, name)
            # What the namespace controller does when it is empty.
            with contextlib.suppress(Refused):
                self.api("PUT", f"/api/v1/namespaces/{name}/finalize", {
                    "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}})


# ---- what is asked ----

def clusterdns():
    """The binary under test: CLUSTERDNS_BINARY, or that of the release preset."""
    path = pathlib.Path(os.environ.get("CLUSTERDNS_BINARY", ROOT / "build" / "release" / "clusterdns"))
    if not path.exists():
        raise Failed(f"{path} is not built")
    return path


class Server:
    """clusterdns or CoreDNS with a Corefile, in which {port} stands for its port."""

    def __init__(self, program, corefile, folder, name, env=None, prefix=()):
        self.program, self.corefile, self.name = program, corefile, name
        self.folder = pathlib.Path(folder)
        self.env, self.prefix = {**os.environ, **(env or {})}, prefix
        self.process = self.port = None

    @property
    def is_coredns(self):
        return self.program.name == "coredns"

    def start(self, wait=True):
        """Starts it; wait: until it listens. Its cluster may not be there yet."""
        for last in (False, False, True):
            self.port = free_port()
            path = self.folder / f"{self.name}.Corefile"
            path.write_text(self.corefile.replace("{port}", str(self.port)))
            log = self.folder / f"{self.name}.log"
            log.unlink(missing_ok=True)
            self.process = Process(self.name, [*self.prefix, self.program, "-conf", path], log, self.env, self.folder)
            if not wait:
                return self
            try:
                # dns-version needs no object of the cluster.
                self.process.wait_for("it listens", lambda: self.ask("dns-version.cluster.local.", "TXT", timeout=0.2,
                                                                     tries=1))
                return self
            except Failed as e:
                self.process.stop(signal.SIGKILL)
                if last or "in use" not in str(e):
                    raise

    def ask(self, name, kind="A", **more):
        with contextlib.closing(self.client()) as client:
            return client.ask(name, kind, **more)

    def client(self):
        import wire
        return wire.Client(self.port)

    def wait_for(self, name, kind, right, limit=PATIENCE, every=0.005):
        """Asks until `right(answer)`; returns the answer."""
        seen = []

        def check():
            seen[:] = [self.ask(name, kind, timeout=0.5, tries=1)]
            return seen[0] is not None and right(seen[0]) and seen[0]
        return self.process.wait_for(lambda: f"{name} {kind} is right, got {seen}", check, limit, every)

    def stop(self, number=signal.SIGTERM):
        return self.process.stop(number) if self.process else None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def corefile(kubeconfig, options=(), zones="cluster.local in-addr.arpa ip6.arpa", more=()):
    """The same text for both servers."""
    lines = [f"kubeconfig {kubeconfig} lab", *options]
    return (".:{port} {\n    bind 127.0.0.1\n    errors\n" + "".join(f"    {line}\n" for line in more) +
            f"    kubernetes {zones} {{\n" + "".join(f"        {line}\n" for line in lines) + "    }\n}\n")


def coredns():
    return binaries() / "coredns"


def main(*tests):
    """Runs unittest classes; 77 and the reason when they cannot run here."""
    import sys
    import unittest
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(test) for test in tests)
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    if names:
        suite = unittest.TestSuite(test for group in suite for test in group if test.id().split(".")[-1] in names)
    try:
        binaries()
    except Skip as e:
        print(f"SKIPPED: {e}")
        sys.exit(SKIPPED)
    result = unittest.TextTestRunner(verbosity=2, failfast="-f" in sys.argv).run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun > len(result.skipped) else 1)
