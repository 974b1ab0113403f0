// @ts-check
/** Takes over a page that was fetched again, leaving alone what is the same. */

/**
 * Make *now* what *next* is, leaving alone what is the same, what is kept (`data-keep`), and what has nothing to show
 * just now, but will (`data-later`).
 * @param {Node} now @param {Node} next
 */
export function morph(now, next) {
  if (!(now instanceof Element) || !(next instanceof Element)) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
    return;
  }
  const same = now instanceof HTMLTimeElement && now.dateTime === next.getAttribute("datetime");
  if (same || now.hasAttribute("data-keep") || next.hasAttribute("data-later")) return;
  morphAttributes(now, next);
  morphChildren(now, next);
}

/** @param {Element} now @param {Element} next */
function morphAttributes(now, next) {
  for (const { name } of [...now.attributes]) {
    if (name !== "open" && !next.hasAttribute(name)) now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
}

/**
 * What has an id is found again by it, a choice by its value, the rest by its place. What goes, goes first: what stays
 * need not be moved then, and whoever is typing there, or has the focus, keeps it.
 * @param {Element} now @param {Element} next
 */
function morphChildren(now, next) {
  const stay = new Set([...next.children].map(({ id }) => id));
  for (const child of [...now.children]) {
    if (!child.id || stay.has(child.id)) continue;
    if (child.nextSibling instanceof Text) child.nextSibling.remove(); // the blank that sets it apart
    child.remove();
  }
  let at = now.firstChild;
  for (const wanted of [...next.childNodes]) {
    const found = counterpart(now, at, wanted);
    if (!found) now.insertBefore(document.importNode(wanted, true), at);
    else if (found === at) at = at.nextSibling;
    else now.insertBefore(found, at);
    if (found) morph(found, wanted);
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

/** @param {Element} parent @param {ChildNode|null} at @param {ChildNode} wanted @returns {ChildNode|null} */
function counterpart(parent, at, wanted) {
  const isIt = known(wanted);
  if (isIt) return [...parent.children].find(isIt) ?? null;
  const same = at && at.nodeName === wanted.nodeName && !(at instanceof Element && at.id);
  return same ? at : null;
}

/** How to tell it among others, wherever it is. @param {ChildNode} wanted @returns {((child: Element) => boolean)|null} */
function known(wanted) {
  if (wanted instanceof HTMLOptionElement)
    return (child) => child instanceof HTMLOptionElement && child.value === wanted.value;
  return wanted instanceof Element && wanted.id ? ({ id }) => id === wanted.id : null;
}
