// @ts-check
/** What the browser remembers for the visitor, where it may. */

/** @param {string} name @returns {string|null} */
export function recall(name) {
  try {
    return localStorage.getItem(`rowmill.${name}`);
  } catch {
    return null; // the visitor allows no storage
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(`rowmill.${name}`, value);
  } catch {
    // forgotten with the page, then
  }
}
