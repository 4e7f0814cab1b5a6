#!/usr/bin/env python3
"""The console's page with an API whose answers a test decides: mock.py [--port N] [--services N] [--hostile].

Prints its URL. `POST /mock` takes JSON:
  {"address": ["default", "web-0", "10.9.9.9"]}   a Service gets another address, and the stream says so
  {"queries": [{...}, ...]}                       are seen by who follows queries
  {"set": {"error": ..., "warnings": [...]}}      what `config` and `status` say
and `GET /mock` says which streams are open and how often each path was asked for.
"""
import argparse
import json
import pathlib
import queue
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = pathlib.Path(__file__).resolve().parents[2] / 'app/console/page'
TYPES = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
         '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml'}
# As app/console/replies.cc says it.
SAFETY = {
    'Content-Security-Policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src "
        "'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cache-Control': 'no-cache',
}
EVIL = ('<script>window.owned = 1</script><img src=x onerror="window.owned = 1">\x07\x1b[31m'
        '\u202egnp.exe \u200fשלום\u200e \u2066a\u2069 "\'&<b>')
COREFILE = '''.:53 {
    errors
    kubernetes cluster.local in-addr.arpa {
        manifests /etc/clusterdns/manifests
    }
    forward . 192.0.2.53 192.0.2.54
    cache 30
    fault fault.test
    evidence
}
'''


class Cluster:
    """What is answered."""

    def __init__(self, count, hostile):
        self.lock = threading.Lock()
        self.hostile = hostile
        self.began = time.monotonic()
        self.asked = {}
        self.streams = {'changes': [], 'queries': []}
        self.most_streams = 0
        self.set = {'error': None, 'warnings': [
            {'code': 'no-endpoints', 'text': 'Service default/web-1 has no endpoints', 'name': 'web-1.default.svc'},
            {'code': 'loop', 'text': 'the upstream 192.0.2.54:53 leads back here', 'name': None}]}
        namespaces = ['default', 'kube-system'] + [f'team-{i}' for i in range(max(1, count // 250))]
        self.services = []
        for i in range(count):
            ns = namespaces[i % len(namespaces)]
            name = f'web-{i}'
            kind = ['ClusterIP', 'ClusterIP', 'NodePort', 'LoadBalancer'][i % 4]
            base = f'{name}.{ns}.svc.cluster.local.'
            self.services.append({
                'namespace': ns, 'name': name, 'type': kind,
                'addresses': [f'10.{96 + i // 65536}.{i // 256 % 256}.{i % 256}'],
                'ports': ['http:80/TCP', 'metrics:9090/TCP'],
                'endpoints': [] if i == 1 else [f'10.1.{i // 256 % 256}.{i % 256}', f'10.2.{i // 256 % 256}.{i % 256}'],
                'names': [base, f'_http._tcp.{base}'],
                'state': 'no endpoints' if i == 1 else 'ok'})
        self.hosts = [
            {'host': 'shop.example.com', 'kind': 'VirtualService', 'namespace': 'default', 'name': 'shop',
             'gateway': 'istio-system/public', 'addresses': ['203.0.113.10'], 'routed_to': ['default/web-0'],
             'state': 'ok'},
            {'host': '*.apps.example.com', 'kind': 'Ingress', 'namespace': 'default', 'name': 'apps', 'gateway': 'nginx',
             'addresses': [], 'routed_to': ['default/web-2'], 'state': 'no address'}]
        if hostile:
            self.services[0].update(name=EVIL, externalName=EVIL, ports=[EVIL], endpoints=[EVIL], names=[EVIL], state=EVIL)
            self.services[2].update(name='annotated', ports=['a' * 10_000])
            self.hosts.append({'host': EVIL, 'kind': EVIL, 'namespace': EVIL, 'name': EVIL, 'gateway': EVIL,
                               'addresses': [EVIL], 'routed_to': [EVIL], 'state': EVIL})
            self.set['warnings'].append({'code': EVIL, 'text': EVIL * 100, 'name': EVIL})
            self.set['error'] = EVIL
        self.services.sort(key=lambda s: (s['namespace'], s['name']))

    def status(self):
        uptime = time.monotonic() - self.began
        return {'version': '0.2.0', 'uptime_s': round(uptime, 3), 'ready': True,
                'sources': [{'kind': 'manifests', 'in_sync': True, 'age_s': 1.5, 'objects': 3 * len(self.services)}],
                'queries_total': int(1000 * uptime), 'warnings': self.set['warnings'],
                'p50_ms': 0.021, 'p99_ms': 0.34, 'cache_hit_ratio': 0.93}

    def page(self, items, key, asked):
        limit = min(int(asked.get('limit', 500)), 10_000)
        cursor = asked.get('cursor')
        items = [i for i in items if asked.get('q', '') in i['name'] and asked.get('namespace', i['namespace']) == i['namespace']]
        begin = next((n for n, i in enumerate(items) if key(i) > cursor), len(items)) if cursor else 0
        part = items[begin:begin + limit]
        return {'items': part, 'total': len(items), 'next': key(part[-1]) if begin + limit < len(items) else None}

    def explanation(self, asked):
        name = asked['name']
        evil = EVIL if self.hostile else ''
        unknown = name.startswith('nothing')
        return {
            'question': {'name': name + '.', 'type': asked.get('type', 'A'), 'client': '127.0.0.1',
                         'namespace': asked.get('namespace')},
            'answer': {'rcode': 'NXDOMAIN' if unknown else 'NOERROR', 'stage': 'gateways', 'error': evil or None, 'upstream': evil or None,
                       'records': [] if unknown else [{'name': name + '.', 'type': 'A', 'ttl': 5, 'data': '203.0.113.10' + evil}]},
            'tried': [{'name': f'{name}.default.svc.cluster.local.', 'rcode': 'NXDOMAIN'}],
            'objects': [] if unknown else [
                {'kind': kind, 'group': 'g', 'namespace': 'default', 'name': n + evil, 'role': role, 'detail': d + evil, 'source': 'shop.yaml:1' + evil}
                for kind, n, role, d in [
                    ('Gateway', 'public', 'accepts', 'port 80'), ('VirtualService', 'shop', 'routes', '/ to web-0'),
                    ('Service', 'web-0', 'destination', '10.96.0.0'), ('EndpointSlice', 'web-0-abc', 'slice', '2 ready'),
                    ('Pod', 'web-0-1', 'pod', '10.1.0.0'), ('Pod', 'web-0-2', 'pod', '10.2.0.0'),
                    ('Service', 'web-2', 'destination', '10.96.0.2')]],
            'problems': [{'code': 'no-endpoints', 'severity': 'error', 'text': 'nobody answers' + evil,
                          'object': {'kind': 'Service', 'namespace': 'default', 'name': 'web-2' + evil},
                          'fix': 'start a pod with the label app=web-2' + evil}]}

    def answer(self, path, asked):
        if path == 'status':
            return self.status()
        if path == 'services':
            return self.page(self.services, lambda s: s['namespace'] + '/' + s['name'], asked)
        if path == 'hosts':
            return self.page(self.hosts, lambda h: h['host'], asked)
        if path == 'explain':
            return self.explanation(asked)
        if path == 'problems':
            return {'problems': self.explanation({'name': 'x'})['problems'], 'errors': 1, 'warnings': 0}
        if path == 'upstreams':
            return {'items': [
                {'address': '192.0.2.53:53' + (EVIL if self.hostile else ''), 'state': 'up', 'latency_ms': 1.25, 'requests': 12345, 'failures': 3, 'loop': False},
                {'address': '192.0.2.54:53', 'state': 'down', 'latency_ms': None, 'requests': 9, 'failures': 9, 'loop': True}]}
        evil = EVIL if self.hostile else ''
        if path == 'seed':
            return {'seed': 42}
        if path == 'scenarios':
            return {'scenarios': [{'name': 'slow' + evil, 'state': 'done', 'elapsed': 60.5, 'seed': 42, 'file': 'slow.yaml', 'verdict': {
                'pass': False, 'expectations': [{'expect': 'good within 5s' + evil, 'pass': False, 'measured': 7, 'of': 9}]}}]}
        if path == 'evidence':
            return {'since': 1, 'now': 2, 'seed': 42, 'limits': {'names': 9, 'clients': 9}, 'evicted': {'names': 0, 'clients': 1}, 'clients': [
                {'client': client, 'queries': 7, 'udp': 6, 'tcp': 1, 'outcomes': {'NOERROR': 2, 'dropped' + evil: 1}, 'faults': {'d200' + evil: 1},
                 'retries': {'same_id_port': 1, 'same_port': 0}, 'repeats': 0, 'tcp_fallback': {'after_tc': 1}, 'names': []}
                for client in ['127.0.0.2', '127.0.0.3'] if asked.get('client', client) == client]}
        if path == 'config':
            return {'corefile': COREFILE + ('# ' + EVIL + '\n' + EVIL + ' {\n' + EVIL + '\n}\n' if self.hostile else ''),
                    'loaded': 1767225600.5, 'error': self.set['error']}
        return None

    def tell(self, stream, item):
        for each in list(self.streams[stream]):
            each.put(item)


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def send(self, code, body, kind):
        self.send_response(code)
        for name, value in SAFETY.items():
            self.send_header(name, value)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, code, value):
        self.send(code, json.dumps(value).encode(), 'application/json' if code < 400 else 'application/problem+json')

    def do_GET(self):
        cluster = self.server.cluster
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        with cluster.lock:
            cluster.asked[url.path] = cluster.asked.get(url.path, 0) + 1
        if url.path == '/mock':
            return self.send_json(200, {'asked': cluster.asked, 'most': cluster.most_streams,
                                        'streams': {k: len(v) for k, v in cluster.streams.items()}})
        if url.path.startswith('/api/v1/'):
            path = url.path[len('/api/v1/'):]
            if path in cluster.streams:
                return self.stream(cluster, path)
            if path == 'explain' and ' ' in asked.get('name', ''):
                return self.send_json(400, {'type': 'about:blank', 'title': 'Bad Request', 'status': 400,
                                            'detail': 'name: ' + asked['name'] + ' is not a name'})
            value = cluster.answer(path, asked)
            if value is None:
                return self.send_json(404, {'type': 'about:blank', 'title': 'Not Found', 'status': 404, 'detail': 'nothing here'})
            return self.send_json(200, value)
        file = PAGE / (url.path[1:] or 'index.html')
        if file.parent != PAGE or not file.is_file():
            return self.send_json(404, {'detail': 'nothing here'})
        return self.send(200, file.read_bytes(), TYPES[file.suffix])

    def do_POST(self):
        cluster = self.server.cluster
        told = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        if 'address' in told:
            ns, name, address = told['address']
            service = next(s for s in cluster.services if (s['namespace'], s['name']) == (ns, name))
            old, service['addresses'] = service['addresses'][0], [address]
            cluster.tell('changes', {'time': time.time(), 'kind': 'Service', 'namespace': ns, 'name': name,
                                     'change': 'changed', 'what': [f'clusterIP: {old} -> {address}']})
        for query in told.get('queries', []):
            cluster.tell('queries', query)
        cluster.set.update(told.get('set', {}))
        self.send_json(200, {})

    def stream(self, cluster, name):
        items = queue.Queue()
        with cluster.lock:
            cluster.streams[name].append(items)
            cluster.most_streams = max(cluster.most_streams, sum(map(len, cluster.streams.values())))
        try:
            self.send_response(200)
            self.send_header('Content-Type', 'application/x-ndjson')
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            while True:
                try:
                    line = json.dumps(items.get(timeout=0.2)) + '\n'
                except queue.Empty:
                    line = '\n'  # says, too, whether somebody is there
                self.wfile.write(f'{len(line.encode()):x}\r\n{line}\r\n'.encode())
        except OSError:
            pass
        finally:
            with cluster.lock:
                cluster.streams[name].remove(items)
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # the browser has gone
            super().handle_error(request, client_address)


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--port', type=int, default=0)
    options.add_argument('--services', type=int, default=12)
    options.add_argument('--hostile', action='store_true')
    asked = options.parse_args()
    server = Server(('127.0.0.1', asked.port), Handler)
    server.cluster = Cluster(asked.services, asked.hostile)
    print(f'http://127.0.0.1:{server.server_address[1]}/', flush=True)
    # Whoever started it holds the other end.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()


if __name__ == '__main__':
    main()
