// What the tests share: a browser, a server that can be stopped and started again, and questions.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const here = path.dirname(fileURLToPath(import.meta.url));
export const pageFolder = path.join(here, '../../app/console/page');
const require = createRequire(path.join(process.env.CLUSTERDNS_NODE, 'package.json'));
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// For a machine that is busy with other tests.
export const kPatience = 60_000;

export async function browser() {
  return await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'], timeout: kPatience });
}

// A page that fails the test by an error of its scripts or by what its CSP forbids.
export async function open(its, options = {}) {
  const context = await its.newContext(options);
  context.setDefaultTimeout(kPatience);
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(String(error)));
  page.on('console', (message) => {
    // A server that is away, or refuses, is told by the browser too.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) page.errors.push(message.text());
  });
  return page;
}

export class Mock {
  static async start(...options) {
    const mock = new Mock();
    mock.options = options;
    await mock.run();
    return mock;
  }
  async run() {
    const port = this.url === undefined ? 0 : new URL(this.url).port;
    this.process = spawn('python3', [path.join(here, 'mock.py'), '--port', String(port), ...this.options],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = await once(createInterface(this.process.stdout), 'line');
    this.url = line;
  }
  async stop() {
    const over = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await over;
  }
  async tell(what) {
    const reply = await fetch(new URL('mock', this.url), { method: 'POST', body: JSON.stringify(what) });
    assert.equal(reply.status, 200);
  }
  async seen() {
    return await (await fetch(new URL('mock', this.url))).json();
  }
}

export async function until(what, ask) {
  const end = Date.now() + kPatience;
  for (;;) {
    const value = await ask();
    if (value) return value;
    assert.ok(Date.now() < end, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function violations(page) {
  await page.evaluate(axeSource);
  return await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).slice(0, 3).join(' | ')}`);
  });
}

// How much wider the page is than the window.
export async function overhang(page) {
  return await page.evaluate(() => {
    const root = document.documentElement;
    // What an element in sight cuts off does not count.
    const isCut = (element) => {
      for (let above = element.parentElement; above !== document.body; above = above.parentElement) {
        if (getComputedStyle(above).overflowX === 'hidden') return above.getBoundingClientRect().right <= innerWidth + 1;
      }
      return false;
    };
    const wide = [...document.querySelectorAll('main *, header *')].filter((element) =>
      element.getBoundingClientRect().right > innerWidth + 1 && !isCut(element));
    return Math.max(root.scrollWidth - root.clientWidth, 0) + (wide.length === 0 ? '' : ` ${wide[0].outerHTML.slice(0, 200)}`);
  });
}
