#!/usr/bin/env python3
"""clusterdns and CoreDNS side by side on a real API server: how soon, how small, how quick to follow.

  bench/kubernetes.py [--quick] [--build FOLDER]     quick: up to 1,000 services; FOLDER: with the binary

For each size of cluster: exec to the first right answer, memory and its peak, CPU of the first sync, from the return
of an API call to the right answer, and 10,000 changed slices under queries: growth, CPU each, answers that mix two
states. The first run with 10,000 services fills an API server for minutes; its data is kept in the lab's cache.
"""

import argparse
import contextlib
import json
import multiprocessing
import pathlib
import statistics
import sys
import tempfile
import threading
import time

import machine
import synthetic_cluster as synthetic

sys.path.insert(0, str(machine.ROOT / "tests" / "cluster"))
import lab
import wire

SIZES = [(0, 0), (1000, 10), (10_000, 10)]   # services, endpoints of each
QUICK = SIZES[:2]
STARTS = 5                 # the median is told
CHANGES = 50
UPDATES = 10_000
SETTLE = 5.0               # seconds after the first answer until memory is read
WRITERS = 12
# What the project promises at these sizes: {services: (ms to the first answer, MiB, seconds of CPU)}.
TARGETS = {0: (30, 12, None), 10_000: (400, 45, 0.4)}
CHANGE_TARGET_MS = 2.0


# ---- the cluster ----

def service_object(s):
    ip = "None" if s.headless else s.cluster_ip
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": s.name, "namespace": s.namespace},
            "spec": {"clusterIP": ip, "clusterIPs": [ip],
                     "ports": [{"name": synthetic.PORT_NAME, "protocol": "TCP", "port": synthetic.PORT,
                                "targetPort": synthetic.TARGET_PORT}]}}


def slice_object(cluster, s, revision=0):
    """As the controller writes them, references and all: what is stored is what is sent."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": f"{s.name}-a", "namespace": s.namespace,
                         "labels": {"kubernetes.io/service-name": s.name,
                                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
            "ports": [{"name": synthetic.PORT_NAME, "protocol": "TCP", "port": synthetic.TARGET_PORT}],
            "endpoints": [{"addresses": [cluster.pod_ip(e, revision)], "nodeName": f"node-{e % 50}",
                           "zone": f"zone-{e % 3}", "conditions": {"ready": True, "serving": True, "terminating": False},
                           "targetRef": {"kind": "Pod", "namespace": s.namespace, "name": f"{s.name}-{e}",
                                         "uid": f"00000000-0000-4000-8000-{e:012x}"}} for e in s.endpoints]}


def write_part(api, cluster, numbers):
    """Services and slices of `numbers`, over several connections."""
    waiting, lock = list(numbers), threading.Lock()
    errors = []

    def work():
        while not errors:
            with lock:
                if not waiting:
                    return
                s = cluster.service(waiting.pop())
            try:
                api.create(service_object(s))
                if s.endpoints:
                    api.create(slice_object(cluster, s))
            except Exception as e:
                errors.append(e)
    threads = [threading.Thread(target=work) for _ in range(WRITERS // 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def populate(control_plane, cluster):
    for name in cluster.namespaces:
        control_plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    parts = [range(half, cluster.services, 2) for half in (0, 1)]
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=write_part, args=(control_plane.api, cluster, part)) for part in parts]
    for child in children:
        child.start()
    for child in children:
        child.join()
        if child.exitcode != 0:
            raise lab.Failed("the cluster could not be written")


def snapshot(services, endpoints):
    """A folder with the data of such a cluster, made at the first call. None for the empty one."""
    if services == 0:
        return None
    folder = lab.binaries().parent / "snapshots" / f"{services}-{endpoints}"
    if not folder.exists():
        print(f"filling an API server with {services} services of {endpoints} endpoints", file=sys.stderr)
        began = time.monotonic()
        control_plane = lab.Lab(dual_stack=False)
        with control_plane:
            populate(control_plane, cluster_of(services, endpoints))
            folder.parent.mkdir(parents=True, exist_ok=True)
            control_plane.save(folder)
        print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr)
    return folder


def cluster_of(services, endpoints):
    return synthetic.Cluster(services, endpoints, endpoints)


# ---- one server ----

def start(program, control_plane, folder):
    text = lab.corefile(control_plane.kubeconfig(), ["pods insecure"])
    return lab.Server(program, text, folder, program.name).start(wait=False)


def first_answer(server, name, right):
    """Seconds from exec to the first right answer."""
    message = wire.query(name, "A")
    with contextlib.closing(server.client()) as client:
        while True:
            response = client.exchange(message, 0.02)
            if response and wire.decode(response).addresses() == right:
                return time.monotonic() - server.process.began
            if not server.process.running():
                raise lab.Failed(server.process.tail())
            if response is None or time.monotonic() - server.process.began > 120:
                if time.monotonic() - server.process.began > 120:
                    raise lab.Failed(f"no right answer for {name} in 120 s\n{server.process.tail()}")
            time.sleep(0.0005)


def measure_start(program, control_plane, cluster, folder):
    """(seconds to the first right answer, CPU seconds, MiB, peak MiB)"""
    # A name that comes late in the lists.
    last = cluster.service(cluster.services - 2) if cluster.services else None
    name, right = (last.fqdn + ".", [last.cluster_ip]) if last else ("kubernetes.default.svc.cluster.local.", ["10.96.0.1"])
    server = start(program, control_plane, folder)
    try:
        took = first_answer(server, name, right)
        if cluster.services:
            headless = cluster.service(cluster.services - 1)
            server.wait_for(headless.fqdn + ".", "A",
                            lambda a: a.addresses() == sorted(cluster.pod_ip(e) for e in headless.endpoints))
        time.sleep(SETTLE)
        pid = server.process.pid
        return took, machine.cpu_ns(pid) / 1e9, machine.rss_mib(pid), machine.status_kib(pid, "VmHWM") / 1024
    finally:
        server.stop()


def change_latency(server, control_plane, cluster):
    """Milliseconds from the return of the API call to the right answer, of CHANGES slices."""
    result = []
    with contextlib.closing(server.client()) as client:
        for step in range(CHANGES):
            s = cluster.service(step * synthetic.HEADLESS_EVERY + synthetic.HEADLESS_EVERY - 1)
            right = sorted(cluster.pod_ip(e, 1) for e in s.endpoints)
            message = wire.query(s.fqdn, "A")
            control_plane.api.replace(slice_object(cluster, s, 1))
            began = time.monotonic()
            while True:
                response = client.exchange(message, 1)
                now = time.monotonic()
                if response and wire.decode(response).addresses() == right:
                    break
                if now - began > 60:
                    raise lab.Failed(f"a change does not show in 60 s\n{server.process.tail()}")
            result.append(1000 * (now - began))
            control_plane.api.replace(slice_object(cluster, s, 0))
    return result


class Asker(threading.Thread):
    """Asks for the headless services that change, one after the other, and looks for answers of two states."""

    def __init__(self, server, cluster, numbers):
        super().__init__(daemon=True)
        self.client, self.cluster, self.numbers = server.client(), cluster, numbers
        self.asked = self.mixed = self.failed = 0
        self.ended = False

    def run(self):
        while not self.ended:
            s = self.cluster.service(self.numbers[self.asked % len(self.numbers)])
            self.asked += 1
            response = self.client.exchange(wire.query(s.fqdn, "A"), 2)
            answer = response and wire.decode(response)
            if not answer or answer.rcode != "NOERROR" or len(answer.answer) != len(s.endpoints):
                self.failed += 1
                continue
            # Bits 20 to 22 of an address tell the state that it is of.
            if len({int(r.data.split(".")[1]) >> 4 & 7 for r in answer.answer}) != 1:
                self.mixed += 1
            time.sleep(0.0005)
        self.client.close()


def update_slices(server, control_plane, cluster):
    numbers = [s.number for s in cluster.headless()][:100]
    pid = server.process.pid
    asker = Asker(server, cluster, numbers)
    # Once through, so that what is only ever needed under change is there.
    for number in numbers:
        control_plane.api.replace(slice_object(cluster, cluster.service(number), 1))
    before, cpu = machine.rss_mib(pid), machine.cpu_ns(pid)
    asker.start()
    began, lock, counter, errors = time.monotonic(), threading.Lock(), iter(range(UPDATES)), []

    def work():
        while not errors:
            with lock:
                step = next(counter, None)
            if step is None:
                return
            s = cluster.service(numbers[step % len(numbers)])
            try:
                control_plane.api.replace(slice_object(cluster, s, 1 + step // len(numbers) % 7))
            except Exception as e:
                errors.append(e)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - began
    asker.ended = True
    asker.join()
    if errors:
        raise errors[0]
    return {"updates": UPDATES, "per_second": UPDATES / took, "before_mib": before, "after_mib": machine.rss_mib(pid),
            "cpu_us": (machine.cpu_ns(pid) - cpu) / 1000 / UPDATES, "asked": asker.asked, "mixed": asker.mixed,
            "failed": asker.failed}


def run(build, sizes=SIZES, starts=STARTS, updates=True):
    """[{services, endpoints, servers: {name: figures}}]. Raises lab.Skip where there can be no lab."""
    ours = next(p for p in (build / "clusterdns", build / "app" / "clusterdns") if p.exists())
    programs = [ours, lab.coredns()]
    results = []
    for services, endpoints in sizes:
        cluster = cluster_of(services, endpoints)
        entry = {"services": services, "endpoints": cluster.endpoint_count(), "servers": {}}
        results.append(entry)
        with tempfile.TemporaryDirectory() as folder, \
                lab.Lab(dual_stack=False, data=snapshot(services, endpoints)) as control_plane:
            samples = {program: [] for program in programs}
            for _ in range(starts):
                for program in programs:
                    samples[program].append(measure_start(program, control_plane, cluster, folder))
            for program in programs:
                took, cpu, rss, peak = (statistics.median(column) for column in zip(*samples[program]))
                figures = {"first_answer_ms": 1000 * took, "cpu_s": cpu, "rss_mib": rss, "peak_mib": peak}
                entry["servers"][program.name] = figures
                if services:
                    server = start(program, control_plane, folder)
                    try:
                        server.wait_for(cluster.service(9).fqdn + ".", "A", lambda a: a.addresses())
                        changes = change_latency(server, control_plane, cluster)
                        figures["change_ms"] = statistics.median(changes)
                        figures["change_slowest_ms"] = max(changes)
                        if updates:
                            figures["updates"] = update_slices(server, control_plane, cluster)
                    finally:
                        server.stop()
                print(line(services, entry["endpoints"], program.name, figures), file=sys.stderr, flush=True)
    return results


# ---- words ----

def line(services, endpoints, name, f):
    text = (f"{services:6} services {endpoints:6} endpoints  {name:10}  first answer {f['first_answer_ms']:6.0f} ms  "
            f"CPU {f['cpu_s']:5.2f} s  RSS {f['rss_mib']:6.1f} MiB  peak {f['peak_mib']:6.1f}")
    if "change_ms" in f:
        text += f"  change {f['change_ms']:.2f} ms (slowest {f['change_slowest_ms']:.1f})"
    if "updates" in f:
        u = f["updates"]
        text += (f"  {u['updates']} updates at {u['per_second']:.0f}/s: {u['cpu_us']:.0f} us each, "
                 f"{u['after_mib'] - u['before_mib']:+.1f} MiB, {u['mixed']} of {u['asked']} answers mixed, {u['failed']} failed")
    return text


def verdicts(results):
    """(target, measured, met), as bench/run lists them."""
    for entry in results:
        f, services = entry["servers"].get("clusterdns"), entry["services"]
        if f is None:
            continue
        size = f"{services:,} services, {entry['endpoints']:,} endpoints from the API"
        if services in TARGETS:
            ms, mib, cpu = TARGETS[services]
            yield f"first right answer under {ms} ms, {size}", f"{f['first_answer_ms']:.0f} ms", f["first_answer_ms"] < ms
            yield f"RSS and its peak under {mib} MiB, {size}", f"{f['rss_mib']:.1f}, {f['peak_mib']:.1f} MiB", \
                max(f["rss_mib"], f["peak_mib"]) < mib
            if cpu:
                yield f"CPU of the sync under {cpu} s, {size}", f"{f['cpu_s']:.2f} s", f["cpu_s"] < cpu
        if "change_ms" in f:
            yield f"a changed slice is answered within {CHANGE_TARGET_MS:.0f} ms, {size}", f"{f['change_ms']:.2f} ms", \
                f["change_ms"] <= CHANGE_TARGET_MS
        if "updates" in f:
            u = f["updates"]
            yield f"10,000 slice updates: no growth, no mixed answer, {size}", \
                f"{u['after_mib'] - u['before_mib']:+.1f} MiB, {u['mixed']} mixed", \
                u["after_mib"] - u["before_mib"] < 1 and u["mixed"] == 0 and u["failed"] == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, default=machine.ROOT / "build" / "release")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures there")
    args = parser.parse_args()
    try:
        results = run(args.build.resolve(), QUICK if args.quick else SIZES, 3 if args.quick else STARTS)
    except lab.Skip as e:
        sys.exit(f"left out: {e}")
    if args.json:
        # The words too: bench/run reads this file, and has no need of the lab itself.
        words = [line(e["services"], e["endpoints"], name, f) for e in results for name, f in e["servers"].items()]
        args.json.write_text(json.dumps({"results": results, "verdicts": list(verdicts(results)), "lines": words},
                                        indent=1) + "\n")
    for target, measured, met in verdicts(results):
        print(f"{'met    ' if met else 'NOT MET'}  {target}: {measured}")


if __name__ == "__main__":
    main()
