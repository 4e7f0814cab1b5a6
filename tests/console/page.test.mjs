// The page in Chromium, with answers of mock.py.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { browser, Mock, open, overhang, pageFolder, until, violations } from './lib.mjs';

const kViews = ['overview', 'registry', 'explain/shop.example.com/A', 'queries', 'upstreams', 'configuration', 'faults'];
const kQuery = { time: 1767225600.5, client: '10.0.0.7', port: 40123, transport: 'udp',
  name: 'web-0.default.svc.cluster.local.', type: 'A', rcode: 'NOERROR', ms: 0.021 };

let chromium;
before(async () => {
  chromium = await browser();
});
after(async () => {
  await chromium?.close();
});

// With a mock and a page of its own.
function show(name, options, body, pageOptions = {}) {
  test(name, async () => {
    const mock = await Mock.start(...options);
    const page = await open(chromium, pageOptions);
    try {
      await body(page, mock);
      assert.deepEqual(page.errors, []);
    } finally {
      await page.context().close();
      await mock.stop();
    }
  });
}

async function goTo(page, mock, view) {
  await page.goto(`${mock.url}#/${view}`);
  await page.getByRole('tab', { selected: true }).waitFor();
  // Something of the server's is there.
  const shown = {
    overview: () => page.getByRole('group', { name: 'Objects' }).filter({ hasText: /\d/ }).waitFor(),
    registry: () => page.getByRole('table', { name: 'Hosts' }).getByRole('link').first().waitFor(),
    explain: () => page.getByRole('region', { name: 'Answer' }).waitFor(),
    queries: async () => {
      await until('the stream is open', async () => (await mock.seen()).streams.queries === 1);
      await mock.tell({ queries: [kQuery] });
      await page.getByRole('log', { name: 'Queries' }).getByRole('link').first().waitFor();
    },
    upstreams: () => page.getByRole('table', { name: 'Upstreams' }).getByText('up', { exact: true }).waitFor(),
    faults: () => page.getByRole('table', { name: 'Evidence' }).getByRole('cell', { name: '127.0.0.2' }).waitFor(),
    configuration: () => page.getByText('Loaded').or(page.getByText('last good')).first().waitFor(),
  };
  await shown[view.split('/')[0]]();
}

test('what the page is made of is small, plain and runs no string', () => {
  let size = 0;
  for (const name of readdirSync(pageFolder)) {
    const text = readFileSync(path.join(pageFolder, name), 'utf8');
    size += statSync(path.join(pageFolder, name)).size;
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc/, name);
    assert.doesNotMatch(text, /(src|href)\s*=\s*["']?(https?:)?\/\//, name);
    if (name.endsWith('.html')) assert.doesNotMatch(text, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/, name);
  }
  assert.ok(size < 150_000, `${size} octets`);
});

for (const scheme of ['dark', 'light']) {
  for (const width of [320, 1280, 3840]) {
    show(`every view, ${scheme}, ${width} pixels wide`, [], async (page, mock) => {
      for (const view of kViews) {
        await goTo(page, mock, view);
        assert.equal(await overhang(page), '0', view);
        assert.deepEqual(await violations(page), [], view);
        await page.screenshot({ path: path.join(process.env.CLUSTERDNS_SCREENSHOTS, `${view.split('/')[0]}-${scheme}-${width}.png`) });
      }
    }, { colorScheme: scheme, viewport: { width, height: width === 320 ? 640 : Math.min(2160, width * 9 / 16) } });
  }
}

show('names and roles', [], async (page, mock) => {
  await goTo(page, mock, 'overview');
  for (const [figure, text] of [['p50', '21 µs'], ['p99', '340 µs'], ['Cache hit ratio', '93.0 %'], ['Watch age', '1.5 s'], ['Objects', '36']]) {
    assert.equal(await page.getByRole('group', { name: figure, exact: true }).textContent(), text);
    await page.getByRole('img', { name: new RegExp(`^${figure},`) }).waitFor();
  }
  await page.getByRole('group', { name: 'Queries per second' }).filter({ hasText: /\d/ }).waitFor();
  const warning = page.getByRole('list', { name: 'Warnings' }).getByRole('link', { name: /web-1 has no endpoints/ });
  assert.equal(await warning.getAttribute('href'), '#/explain/web-1.default.svc/A');

  await goTo(page, mock, 'registry');
  assert.deepEqual(await page.getByRole('table', { name: 'Services' }).getByRole('columnheader').allTextContents(),
    ['Name', 'Namespace', 'Type', 'Addresses', 'Ports', 'Endpoints', 'State']);
  assert.deepEqual(await page.getByRole('table', { name: 'Hosts' }).getByRole('columnheader').allTextContents(),
    ['Host', 'Source', 'Gateway', 'Addresses', 'Routed to', 'State']);
  await page.getByRole('combobox', { name: 'Namespace' }).selectOption('kube-system');
  await page.getByText('4 services, 0 hosts').waitFor();
  await page.getByRole('combobox', { name: 'Kind' }).selectOption('NodePort');
  await page.getByText('1 service, 0 hosts').or(page.getByText('0 services, 0 hosts')).waitFor();

  await goTo(page, mock, 'explain/shop.example.com/AAAA?namespace=team-0');
  assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'shop.example.com');
  assert.equal(await page.getByRole('combobox', { name: 'Type' }).inputValue(), 'AAAA');
  assert.equal(await page.getByRole('combobox', { name: 'As from namespace' }).inputValue(), 'team-0');
  await page.getByRole('region', { name: 'Answer' }).getByText('203.0.113.10').waitFor();
  const chain = page.getByRole('region', { name: 'Chain' });
  assert.deepEqual((await chain.getByRole('link').allTextContents()).slice(0, 4), ['shop.example.com.',
    'shop.example.com.default.svc.cluster.local.', 'Gateway default/public', 'VirtualService default/shop']);
  await page.getByRole('list', { name: 'Problems' }).getByText('start a pod').waitFor();
  await page.getByRole('textbox', { name: 'Name' }).fill('not a name');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByRole('alert').getByText('not a name is not a name').waitFor();

  await goTo(page, mock, 'upstreams');
  assert.deepEqual(await page.getByRole('table', { name: 'Upstreams' }).getByRole('row').nth(2).getByRole('cell').allTextContents(),
    ['192.0.2.54:53', 'down', 'not measured', '9', '9', 'yes']);

  await mock.tell({ set: { error: 'Corefile:3:1: what is this?' } });
  await goTo(page, mock, 'configuration');
  await page.getByRole('alert').getByText('Corefile:3:1: what is this?').waitFor();
  await page.getByText('Keeps forwarded answers in memory, for 30 seconds at most.').waitFor();

  await goTo(page, mock, 'faults');
  await page.getByText('This server gives wrong answers on purpose').waitFor();
  await page.getByText('Seed 42', { exact: true }).waitFor();
  await page.getByRole('list', { name: 'Scenarios' }).getByText('good within 5s').waitFor();
  await page.getByRole('textbox', { name: 'Client' }).fill('127.0.0.3');
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByText('1 client, and 1 client forgotten').waitFor();
});

show('the first paint', ['--services', '1000'], async (page, mock) => {
  await page.route('**/word', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>one</title>word' }));
  const paints = async (address) => {
    const times = [];
    for (let i = 0; i < 5; ++i) {
      await page.goto('about:blank');
      await page.goto(mock.url + address);
      times.push(await until('something is painted', () => page.evaluate(() =>
        performance.getEntriesByName('first-contentful-paint')[0]?.startTime)));
    }
    return Math.min(...times);
  };
  // What a page of one word takes is the browser's, and tells of what else runs on this machine.
  const word = await paints('word');
  const ours = await paints('#/registry');
  console.log(`first paint: ${Math.round(ours)} ms, of a page of one word ${Math.round(word)} ms`);
  assert.ok(ours < 300 + word, `${ours} ms`);
});

show('the keyboard alone', [], async (page, mock) => {
  await goTo(page, mock, 'overview');
  const selected = async () => await page.getByRole('tab', { selected: true }).textContent();
  await page.getByRole('tab', { name: 'Faults' }).waitFor();
  await page.getByRole('tab', { selected: true }).focus();
  for (const [key, tab] of [['ArrowRight', 'Registry'], ['ArrowRight', 'Explain'], ['ArrowLeft', 'Registry'],
    ['Home', 'Overview'], ['ArrowLeft', 'Faults'], ['ArrowRight', 'Overview'], ['End', 'Faults']]) {
    await page.keyboard.press(key);
    await page.getByRole('tab', { name: tab, selected: true }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), tab);
  }
  for (const view of kViews) {
    await goTo(page, mock, view);
    await page.keyboard.press('/');
    await page.getByRole('tab', { name: 'Registry', selected: true }).waitFor();
    await until('Search has the focus', () => page.getByRole('searchbox', { name: 'Search' }).evaluate((it) => it === document.activeElement));
  }
  // A name is found, and explained.
  await page.keyboard.type('web-3');
  await page.getByText('1 service, 0 hosts').waitFor();
  await until('the link has the focus', async () => {
    await page.keyboard.press('Tab');
    return await page.evaluate(() => document.activeElement.tagName === 'A' && document.activeElement.closest('table') !== null);
  });
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'Chain' }).waitFor();
  assert.equal(await selected(), 'Explain');
  assert.match(page.url(), /#\/explain\/web-3\.kube-system\.svc\.cluster\.local\/A$|#\/explain\/web-3\.[a-z0-9-]+\.svc\.cluster\.local\/A$/);
  // A slash in a text is a slash.
  await page.getByRole('textbox', { name: 'Name' }).focus();
  await page.keyboard.type('/');
  assert.match(await page.getByRole('textbox', { name: 'Name' }).inputValue(), /\//);
});

show('a change is seen, and for ten seconds', [], async (page, mock) => {
  await goTo(page, mock, 'registry');
  await until('the stream is open', async () => (await mock.seen()).streams.changes === 1);
  await mock.tell({ address: ['default', 'web-0', '10.96.200.200'] });
  const row = page.getByRole('table', { name: 'Services' }).getByRole('row').filter({ hasText: 'web-0' });
  const state = row.getByRole('cell').last();
  await page.getByText(/^changed.*10\.96\.0\.0.*10\.96\.200\.200/).waitFor();
  assert.match(await state.textContent(), /^changed.*10\.96\.0\.0.*10\.96\.200\.200/);
  await page.getByText(/^changed/).waitFor({ state: 'detached' });
  assert.equal(await state.textContent(), 'ok');
});

show('a server that starts again', [], async (page, mock) => {
  await goTo(page, mock, 'registry');
  await page.evaluate(() => { globalThis.same = true; });
  await mock.stop();
  await page.getByRole('status').getByText('Connection lost, trying again').waitFor();
  assert.deepEqual(await violations(page), []);
  mock.options = ['--services', '7'];
  await mock.run();
  await page.getByText('Connection lost').waitFor({ state: 'hidden' });
  await page.getByText('7 services').waitFor();
  assert.ok(await page.evaluate(() => globalThis.same), 'it was not loaded again');
  await until('the stream is open again', async () => (await mock.seen()).streams.changes === 1);
});

show('one stream, and none of a page that nobody sees', [], async (page, mock) => {
  for (const view of [...kViews, ...kViews]) {
    await page.goto(`${mock.url}#/${view}`);
    await page.getByRole('tab', { selected: true }).waitFor();
  }
  await goTo(page, mock, 'queries');
  await until('one stream', async () => JSON.stringify((await mock.seen()).streams) === '{"changes":0,"queries":1}');
  const visibility = (state) => page.evaluate((now) => {
    Object.defineProperty(document, 'visibilityState', { value: now, configurable: true });
    Object.defineProperty(document, 'hidden', { value: now === 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);
  await visibility('hidden');
  await until('no stream', async () => (await mock.seen()).streams.queries === 0);
  await visibility('visible');
  await until('one again', async () => (await mock.seen()).streams.queries === 1);
  await page.getByRole('button', { name: 'Pause' }).click();
  await until('none while paused', async () => (await mock.seen()).streams.queries === 0);
  await page.getByRole('button', { name: 'Resume' }).click();
  await until('and again', async () => (await mock.seen()).streams.queries === 1);
  await goTo(page, mock, 'overview');
  await until('none without a need', async () => JSON.stringify((await mock.seen()).streams) === '{"changes":0,"queries":0}');
});

show('queries', [], async (page, mock) => {
  await goTo(page, mock, 'queries');
  await mock.tell({ queries: [{ ...kQuery, name: 'other.example.', rcode: 'NXDOMAIN', client: '10.0.0.8' }, { sampled: true, skipped: 1234 }] });
  const log = page.getByRole('log', { name: 'Queries' });
  await page.getByRole('status').getByText('Sampled: 1,234 queries not shown').waitFor();
  await page.getByRole('textbox', { name: 'Filter' }).fill('10.0.0.8 nxdomain');
  await until('one is left', async () => await log.getByRole('link').count() === 1);
  // Many: bounded, and the newest on top.
  await page.getByRole('textbox', { name: 'Filter' }).fill('');
  for (let k = 0; k < 8; ++k) {
    await mock.tell({ queries: Array.from({ length: 2000 }, (_, i) => ({ ...kQuery, name: `n${k}-${i}.example.` })) });
  }
  await log.getByText('n7-1999.example.').waitFor();
  assert.equal(await log.getByRole('link').count(), 200);
  await log.getByRole('link').first().click();
  await page.getByRole('region', { name: 'Answer' }).waitFor();
  assert.match(page.url(), /#\/explain\/n7-1999\.example\/A$/);
});

show('ten thousand services', ['--services', '10000'], async (page, mock) => {
  await goTo(page, mock, 'registry');
  const table = page.getByRole('table', { name: 'Services' });
  await page.getByText('10,000 services, 2 hosts').waitFor();
  assert.equal(await table.getAttribute('aria-rowcount'), '10001');
  assert.ok(await table.getByRole('row').count() < 100);
  // The last row can be reached, and knows its place.
  await table.locator('xpath=..').evaluate((it) => { it.scrollTop = it.scrollHeight; });
  await table.locator('[aria-rowindex="10001"]').waitFor();
  assert.ok(await table.locator('tr[aria-hidden=true]').count() >= 1);
  // What one key and one step of scrolling cost the page, without what other processes take.
  const took = await page.evaluate(async () => {
    const search = document.querySelector('input[type=search]');
    const scroller = document.querySelector('.of-services');
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve()));
    const times = [];
    const measure = async (act) => {
      const begin = performance.now();
      act();
      const acted = performance.now() - begin;
      await frame();
      const drawn = performance.now();
      scroller.getBoundingClientRect();
      times.push(acted + performance.now() - drawn);
    };
    for (const text of ['w', 'we', 'web', 'web-1', 'web-12', 'web-1', '10.9', '10.96.1', '']) {
      await measure(() => {
        search.value = text;
        search.dispatchEvent(new Event('input', { bubbles: true }));
      });
    }
    for (let i = 0; i < 40; ++i) await measure(() => { scroller.scrollTop = i * 1500; });
    return times.sort((a, b) => a - b);
  });
  const slow = took[Math.floor(took.length * 0.9)];
  console.log(`a frame: median ${took[took.length >> 1].toFixed(1)} ms, nine of ten below ${slow.toFixed(1)} ms`);
  assert.ok(slow < 50, `${slow} ms`);
  await page.getByRole('searchbox').fill('web-9999');
  await page.getByText('1 service, 0 hosts').waitFor();
  assert.equal(await table.getAttribute('aria-rowcount'), '2');
  assert.deepEqual(await violations(page), []);
});

show('text of strangers is text', ['--hostile'], async (page, mock) => {
  const evil = '<script>window.owned = 1</script>';
  for (const view of kViews) {
    await goTo(page, mock, view);
    if (view === 'queries') {
      await mock.tell({ queries: [{ ...kQuery, name: `${evil}\u202e\u0007`, client: evil, type: evil, rcode: evil }] });
      await page.getByRole('log').getByText('\\u{202e}').first().waitFor();
    }
    await page.getByText(evil).first().waitFor({ state: 'attached' });
    const found = await page.evaluate(() => ({
      owned: globalThis.owned,
      elements: document.querySelectorAll('main script, main img').length,
      raw: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(document.documentElement.textContent),
      // A mark of direction stands in an element that ends what it does.
      loose: (() => {
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const loose = [];
        while (walk.nextNode()) {
          const node = walk.currentNode;
          if (/[\u200e\u200f\u2066-\u2069\u0590-\u05ff]/.test(node.data) && node.parentElement.closest('bdi, option') === null) loose.push(node.data);
        }
        return loose;
      })(),
    }));
    assert.deepEqual(found, { owned: undefined, elements: 0, raw: false, loose: [] }, view);
    assert.equal(await overhang(page), '0', view);
    assert.deepEqual(await violations(page), [], view);
  }
  // In an address, too.
  await page.goto(`${mock.url}#/explain/${encodeURIComponent(evil)}/A%22%3E?namespace=${encodeURIComponent(evil)}`);
  await page.getByRole('alert').getByText(evil).waitFor();
  assert.equal(await page.evaluate(() => globalThis.owned), undefined);
}, { viewport: { width: 320, height: 640 } });

show('an explanation is copied as clusterdns explain prints it', [], async (page, mock) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(mock.url).origin });
  await goTo(page, mock, 'explain/shop.example.com/A');
  await page.getByRole('button', { name: 'Copy as text' }).click();
  await page.getByText('Copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `shop.example.com. A
  tried shop.example.com.default.svc.cluster.local.: NXDOMAIN
  Gateway default/public (accepts) port 80  shop.yaml:1
  └─ VirtualService default/shop (routes) / to web-0  shop.yaml:1
     ├─ Service default/web-0 (destination) 10.96.0.0  shop.yaml:1
     │  ├─ EndpointSlice default/web-0-abc (slice) 2 ready  shop.yaml:1
     │  ├─ Pod default/web-0-1 (pod) 10.1.0.0  shop.yaml:1
     │  └─ Pod default/web-0-2 (pod) 10.2.0.0  shop.yaml:1
     └─ Service default/web-2 (destination) 10.96.0.2  shop.yaml:1
answer: NOERROR by gateways
  shop.example.com. 5 A 203.0.113.10
error no-endpoints: Service default/web-2: nobody answers
  -> start a pod with the label app=web-2
`);
});

show('a session that is over', [], async (page, mock) => {
  await goTo(page, mock, 'registry');
  await page.route('**/api/v1/**', (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"detail": "log in"}' }));
  await page.getByRole('link', { name: 'Log in' }).waitFor();
  assert.deepEqual(await violations(page), []);
});
