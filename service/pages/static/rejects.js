// @ts-check
/** The rows left out, searched and turned page by page where they stand; without scripts they have a page of their own. */

import { announce, byId } from "./elements.js";
import { paced } from "./link.js";

export function startRejects() {
  let address = "";
  const renew = paced(() => take(address));
  const go = (/** @type {string} */ to) => ((address = to), renew());
  for (const type of ["input", "submit"])
    document.addEventListener(type, (event) => {
      const form = event.target instanceof Element ? event.target.closest("form[data-rejects]") : null;
      if (!(form instanceof HTMLFormElement)) return;
      event.preventDefault();
      go(asked(form));
    });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("#reject-rows a.more") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const form = /** @type {HTMLFormElement|null} */ (document.querySelector("form[data-rejects]"));
    go(form && link.dataset.pageOf ? asked(form) : link.href);
  });
}

/** @param {HTMLFormElement} form @returns {string} */
function asked(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => value).map(([name, value]) => [name, String(value)]);
  return `${form.getAttribute("action")}?${new URLSearchParams(pairs)}`;
}

/** @param {string} address */
async function take(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("reject-rows");
  if (!answer.ok || !fresh) return;
  fresh.setAttribute("data-keep", ""); // what the live page brings has the first rows only
  byId("reject-rows").replaceWith(document.adoptNode(fresh));
  announce(`Rows shown: ${fresh.querySelectorAll("tbody tr:not(:has(.none))").length}`);
}
