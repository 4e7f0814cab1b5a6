// @ts-check
// Fragments: #/explain/NAME/TYPE?namespace=NAMESPACE

/** @typedef {{view: string, path: string[], query: URLSearchParams}} Address */

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * @param {string} hash
 * @returns {Address}
 */
export function addressOf(hash) {
  const text = hash.replace(/^#\/?/, '');
  const mark = text.indexOf('?');
  const [view, ...path] = (mark < 0 ? text : text.slice(0, mark)).split('/');
  return { view, path: path.map(decoded), query: new URLSearchParams(mark < 0 ? '' : text.slice(mark)) };
}

/**
 * A name without its final dot; one that is escaped is part of the last label.
 * @param {string} name
 */
export function withoutFinalDot(name) {
  const dot = /(\\*)\.$/.exec(name);
  return dot === null || name === '.' || dot[1].length % 2 === 1 ? name : name.slice(0, -1);
}

/**
 * @param {string} name
 * @param {string} [type]
 * @param {string | null} [namespace]
 */
export function explainAddress(name, type = 'A', namespace = null) {
  const address = `#/explain/${encodeURIComponent(withoutFinalDot(name))}/${encodeURIComponent(type)}`;
  return namespace ? `${address}?namespace=${encodeURIComponent(namespace)}` : address;
}

/** @param {string} words */
export function registryAddress(words) {
  return `#/registry?q=${encodeURIComponent(words)}`;
}
