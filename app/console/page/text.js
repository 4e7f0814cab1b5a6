// @ts-check
// What the server tells is written by others: objects of tenants, names that anybody may ask, files.

// Control characters, what overrides the direction of the text around it, and what cannot be seen.
const kEscaped =
  /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
// More of one text is not shown.
const kLongest = 20_000;

/** @param {string} character */
function escape(character) {
  return `\\u{${/** @type {number} */ (character.codePointAt(0)).toString(16)}}`;
}

/**
 * `text` as one line that shows all that is in it.
 * @param {unknown} text
 * @returns {string}
 */
export function visible(text) {
  return shorter(String(text ?? ''), kLongest).replace(kEscaped, escape);
}

/**
 * The same of a text of lines: line feeds and tabs stay.
 * @param {unknown} text
 * @returns {string}
 */
export function visibleLines(text) {
  return String(text ?? '').replace(/\r\n/g, '\n').replace(kEscaped, (character) =>
    character === '\n' || character === '\t' ? character : escape(character));
}

/**
 * @param {string} text
 * @param {number} most UTF-16 units
 */
export function shorter(text, most) {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}

/**
 * `items` in one line, the first few of them.
 * @param {string[]} items
 * @param {number} [most]
 */
export function some(items, most = 3) {
  const shown = items.slice(0, most).join(', ');
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** @param {number} ms */
export function milliseconds(ms) {
  if (ms < 10) return `${ms.toFixed(3)} ms`;
  return `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
