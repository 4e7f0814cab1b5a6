// @ts-check
// Elements. Text becomes text nodes and nothing else: no string is ever read as HTML.
import { visible } from './text.js';

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes] null and false: without it
 * @param {...(Node | string | null)} children strings of ours; what the server told goes through told()
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * What the server told: nothing in it is hidden, and its direction ends with it.
 * @param {unknown} text
 * @returns {HTMLElement}
 */
export function told(text) {
  return el('bdi', {}, visible(text));
}

/**
 * @param {string} href
 * @param {unknown} text what the server told
 */
export function link(href, text) {
  return el('a', { href }, told(text));
}

/**
 * Sets the text only when it is another one: what reads aloud would repeat it.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A control with its label in front.
 * @param {string} text
 * @param {HTMLElement} control
 */
export function labelled(text, control) {
  return el('label', { class: 'field' }, el('span', {}, text), control);
}

/** @type {WeakMap<HTMLSelectElement, string>} what each offers */
const offered = new WeakMap();

/**
 * Options of a select, which keeps what is chosen. An open one is left alone while they are the same.
 * @param {HTMLSelectElement} select
 * @param {string[]} values
 * @param {string} [none] the text of the one that stands for none
 */
export function choices(select, values, none) {
  const chosen = select.value;
  const all = chosen === '' || values.includes(chosen) ? values : [...values, chosen];
  const key = JSON.stringify([all, none]);
  if (offered.get(select) === key) return;
  offered.set(select, key);
  const options = all.map((value) => el('option', { value, dir: 'auto' }, visible(value)));
  if (none !== undefined) options.unshift(el('option', { value: '' }, none));
  select.replaceChildren(...options);
  select.value = chosen;
}
