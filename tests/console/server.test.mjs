// The page of the real server.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { browser, here, open, overhang, until, violations } from './lib.mjs';

const binary = process.env.CLUSTERDNS_BINARY;
let chromium;
let folder;
let server;

class Server {
  async start(port = 0) {
    writeFileSync(path.join(folder, 'Corefile'), `.:0 {
    bind 127.0.0.1
    errors
    kubernetes cluster.local {
        manifests ${folder}/manifests
    }
    gateways
    cache 30
    # <script>a comment</script>
    console 127.0.0.1:${port}
}
`);
    this.process = spawn(binary, ['-conf', path.join(folder, 'Corefile')], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.said = '';
    for (const stream of [this.process.stdout, this.process.stderr]) {
      createInterface(stream).on('line', (line) => { this.said += `${line}\n`; });
    }
    const said = (pattern) => until(`the server says ${pattern}`, () => pattern.exec(this.said));
    this.url = (await said(/console on (http:\/\/\S+)/))[1];
    this.port = Number((await said(/Listening on 127\.0\.0\.1:(\d+)/))[1]);
  }
  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const over = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await over;
  }
  // Asks for an A record, and waits for the answer.
  async ask(name) {
    const socket = createSocket('udp4');
    const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
    const query = Buffer.concat([Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, 1, 0, 1])]);
    const answered = once(socket, 'message');
    socket.send(query, this.port, '127.0.0.1');
    await answered;
    socket.close();
  }
}

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'console-'));
  cpSync(path.join(here, '../../deploy/examples'), path.join(folder, 'manifests'), { recursive: true });
  server = new Server();
  await server.start();
  chromium = await browser();
});
after(async () => {
  await chromium?.close();
  await server?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

function show(name, body, options = {}) {
  test(name, async () => {
    const page = await open(chromium, options);
    try {
      await body(page);
      assert.deepEqual(page.errors, []);
    } finally {
      await page.context().close();
    }
  });
}

const kShown = {
  overview: (page) => page.getByRole('group', { name: 'Objects' }).filter({ hasText: /\d/ }),
  registry: (page) => page.getByRole('table', { name: 'Hosts' }).getByRole('link', { name: 'shop.example.com' }),
  'explain/shop.example.com/A': (page) => page.getByRole('region', { name: 'Chain' }).getByRole('link', { name: /^VirtualService/ }),
  queries: (page) => page.getByRole('log', { name: 'Queries' }),
  upstreams: (page) => page.getByText('Nothing is forwarded'),
  configuration: (page) => page.getByText('# <script>a comment</script>'),
};

show('every view', async (page) => {
  for (const [view, shown] of Object.entries(kShown)) {
    await page.goto(`${server.url}#/${view}`);
    await shown(page).waitFor();
    assert.equal(await overhang(page), '0', view);
    assert.deepEqual(await violations(page), [], view);
  }
}, { viewport: { width: 320, height: 640 } });

show('what is copied is what clusterdns explain prints', async (page) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(server.url).origin });
  for (const name of ['shop.example.com', 'my-service.default.svc.cluster.local', 'nothing.default.svc.cluster.local', 'sub.any.example.com']) {
    await page.goto(`${server.url}#/explain/${name}/A`);
    await page.getByRole('region', { name: 'Chain' }).getByRole('link', { name: `${name}.`, exact: true }).waitFor();
    await page.getByRole('button', { name: 'Copy as text' }).click();
    await page.getByText('Copied').waitFor();
    let printed;
    try {
      printed = execFileSync(binary, ['explain', name, '--server', server.url.replace(/\/$/, '')], { encoding: 'utf8' });
    } catch (error) {
      printed = error.stdout;  // it has found problems
    }
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), printed);
  }
});

show('queries are seen', async (page) => {
  await page.goto(`${server.url}#/queries`);
  const line = page.getByRole('log', { name: 'Queries' }).getByRole('link').filter({ hasText: 'my-service.default.svc.cluster.local.' });
  await until('a query is seen', async () => {
    await server.ask('my-service.default.svc.cluster.local');
    return await line.count() > 0;
  });
  await line.first().click();
  await page.getByRole('region', { name: 'Chain' }).getByRole('link', { name: 'Service default/my-service' }).waitFor();
});

show('an edit is seen', async (page) => {
  await page.goto(`${server.url}#/registry`);
  const row = page.getByRole('table', { name: 'Services' }).getByRole('row').filter({ hasText: 'edited' });
  const file = path.join(folder, 'manifests/edited.yaml');
  const write = (address) => writeFileSync(file, `apiVersion: v1
kind: Service
metadata: {name: edited, namespace: default}
spec: {clusterIP: ${address}, ports: [{port: 80}]}
`);
  write('10.96.4.1');
  await row.filter({ hasText: '10.96.4.1' }).waitFor();
  await row.getByText(/^changed/).waitFor({ state: 'detached' });
  write('10.96.4.2');
  await row.getByText(/^changed.*10\.96\.4\.1.*10\.96\.4\.2/).waitFor();
  rmSync(file);
  await row.waitFor({ state: 'detached' });
});

show('a server that starts again under the page', async (page) => {
  await page.goto(`${server.url}#/registry`);
  await kShown.registry(page).waitFor();
  await server.stop();
  await page.getByRole('status').getByText('Connection lost, trying again').waitFor();
  writeFileSync(path.join(folder, 'manifests/later.yaml'), `apiVersion: v1
kind: Service
metadata: {name: later, namespace: default}
spec: {ports: [{port: 80}]}
`);
  await server.start(new URL(server.url).port);
  await page.getByText('Connection lost').waitFor({ state: 'hidden' });
  await page.getByRole('link', { name: 'later' }).waitFor();
});

test('it is the page of the sources, under a policy that runs no other script', async () => {
  const reply = await fetch(server.url);
  assert.match(reply.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.equal(await reply.text(), readFileSync(path.join(here, '../../app/console/page/index.html'), 'utf8'));
});
