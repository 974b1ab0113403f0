// @ts-check
/** Elements of the page, and what is said to those who listen instead of look. */

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {string} text For those who listen instead of look. */
export function announce(text) {
  const place = byId("announce");
  if (place.textContent !== text) place.textContent = text;
}
