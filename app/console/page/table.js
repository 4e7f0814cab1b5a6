// @ts-check
// A table of any length: only the rows that can be seen are elements.
import { el } from './dom.js';

// Rows above and below those that can be seen.
const kSpare = 8;

/**
 * @template {object} Row
 * @typedef {{label: string, cell: (row: Row) => Node | string, title?: (row: Row) => string}} Column
 */

/** @template {object} Row */
export class VirtualTable {
  /** @param {string} name @param {Column<Row>[]} columns */
  constructor(name, columns) {
    this.columns = columns;
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Map<Row, HTMLTableRowElement>} what is shown now */
    this.shown = new Map();
    this.above = this.#spare();
    this.below = this.#spare();
    this.body = el('tbody', { role: 'rowgroup' }, this.above, this.below);
    this.table = el('table', { role: 'table', 'aria-label': name, 'aria-rowcount': 1 },
      el('thead', { role: 'rowgroup' }, el('tr', { role: 'row', 'aria-rowindex': 1 },
        ...columns.map(({ label }) => el('th', { role: 'columnheader', scope: 'col' }, label)))),
      this.body);
    this.element = el('div', { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': `Rows of ${name}` },
      this.table);
    this.element.classList.add(`of-${name.toLowerCase()}`);
    this.waiting = false;
    this.element.addEventListener('scroll', () => this.#soon(), { passive: true });
    this.sizes = new ResizeObserver(() => this.#soon());
    this.sizes.observe(this.element);
  }

  /** @param {Row[]} rows one that has changed is another object */
  show(rows) {
    this.rows = rows;
    this.table.setAttribute('aria-rowcount', String(rows.length + 1));
    this.#soon();
  }

  leave() {
    this.sizes.disconnect();
  }

  #spare() {
    return el('tr', { class: 'spare', 'aria-hidden': 'true' });
  }

  #soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#draw();
    });
  }

  #draw() {
    // The line height of a spare row is the height of a row, in pixels however the style says it.
    const height = parseFloat(getComputedStyle(this.above).lineHeight) || 32;
    const first = Math.max(0, Math.floor(this.element.scrollTop / height) - kSpare);
    const most = Math.ceil((this.element.clientHeight || 600) / height) + 2 * kSpare;
    const begin = Math.min(first, Math.max(0, this.rows.length - most));
    const end = Math.min(this.rows.length, begin + most);
    /** @type {Map<Row, HTMLTableRowElement>} */
    const shown = new Map();
    for (let i = begin; i < end; ++i) {
      const row = this.rows[i];
      const element = this.shown.get(row) ?? this.#row(row);
      element.setAttribute('aria-rowindex', String(i + 2));
      shown.set(row, element);
    }
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    const column = focused?.closest('td')?.cellIndex;
    const index = focused?.closest('tr')?.getAttribute('aria-rowindex');
    for (const [row, element] of this.shown) if (shown.get(row) !== element) element.remove();
    // In their order; what stands right already is not touched, and keeps the focus.
    let before = this.above;
    for (const element of shown.values()) {
      if (before.nextSibling !== element) before.after(element);
      before = element;
    }
    this.shown = shown;
    this.above.style.height = `${begin * height}px`;
    this.below.style.height = `${(this.rows.length - end) * height}px`;
    if (focused !== null && !this.body.contains(document.activeElement)) {
      // The row was written anew, or is out of sight.
      const again = this.body.querySelector(`tr[aria-rowindex="${index}"]`)?.children[column ?? 0];
      const target = again?.querySelector('a') ?? this.element;
      target.focus({ preventScroll: true });
    }
  }

  /** @param {Row} row */
  #row(row) {
    return el('tr', { role: 'row' }, ...this.columns.map(({ label, cell, title }) => {
      const content = cell(row);
      return el('td', { role: 'cell', 'data-label': label,
        title: title === undefined ? content instanceof Node ? content.textContent : content : title(row) }, content);
    }));
  }
}
