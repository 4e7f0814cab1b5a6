// @ts-check
import { follow, get } from './api.js';
import { blocksOf, inWords, keysInWords } from './corefile.js';
import { el, told } from './dom.js';
import { showFindings } from './findings.js';
import { counted, visibleLines } from './text.js';

const kEveryMs = 5000;

/** @type {import('./main.js').View} */
export const configuration = {
  title: 'Configuration',
  open(panel) {
    const alert = el('p', { role: 'alert' });
    const loaded = el('p', {});
    const corefile = el('pre', { tabindex: 0, role: 'region', 'aria-label': 'Corefile', class: 'corefile' });
    const words = el('div', {});
    const summary = el('p', {});
    const check = el('ul', { role: 'list', 'aria-label': 'Check' });
    panel.replaceChildren(alert, loaded,
      el('div', { class: 'halves' },
        el('section', { 'aria-label': 'Configuration file' }, el('h2', {}, 'Corefile'), corefile),
        el('section', { 'aria-label': 'In plain words' }, el('h2', {}, 'What it does'), words)),
      el('h2', {}, 'Result of check'), summary, check);
    const over = new AbortController();
    let shown = '';
    /** @param {import('./api.js').Config} config */
    function show(config) {
      alert.replaceChildren(...(config.error === null ? [] : [
        'The Corefile on disk is not served, the last good one is: ', told(config.error)]));
      const date = new Date(config.loaded * 1000);
      loaded.textContent = Number.isNaN(date.getTime()) ? ''
        : `${config.error === null ? 'Loaded' : 'The last good one was loaded'} ${date.toLocaleString()}`;
      corefile.replaceChildren(...visibleLines(config.corefile.replace(/\n$/, '')).split('\n').map((line) => el('bdi', {}, `${line}\n`)));
      words.replaceChildren(...blocksOf(config.corefile).flatMap((block) => [
        el('h3', {}, told(keysInWords(block.keys))),
        el('ul', { role: 'list' }, ...block.directives.map((directive) =>
          el('li', {}, el('code', {}, told(directive[0])), ' ', told(inWords(directive)))))]));
    }
    async function read() {
      if (document.hidden) return;
      try {
        const [config, problems] = await Promise.all(
          [get('config', {}, over.signal), get('problems', { limit: '1000' }, over.signal)]);
        const now = JSON.stringify([config, problems]);
        if (now === shown) return;
        shown = now;
        show(config);
        summary.textContent = `${counted(Number(problems.errors), 'error')}, ${counted(Number(problems.warnings), 'warning')}`;
        showFindings(check, problems.problems, 'no problems');
        if (problems.next !== null || problems.truncated) {
          check.append(el('li', {}, 'and others; clusterdns check lists all'));
        }
      } catch (error) {
        if (!over.signal.aborted) alert.replaceChildren(told(error instanceof Error ? error.message : error));
        shown = '';
      }
    }
    follow(null);
    void read();
    const timer = setInterval(() => void read(), kEveryMs);
    return {
      refresh: () => void read(),
      leave() {
        over.abort();
        clearInterval(timer);
      },
    };
  },
};
