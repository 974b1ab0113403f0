// @ts-check
/** Asks before something is done that cannot be undone. */

import { byId } from "./elements.js";

/**
 * Whether the visitor is sure; the safe answer has the focus.
 * @param {{title: string, says: string, no: string, yes: string}} words
 * @returns {Promise<boolean>}
 */
export function sure({ title, says, no, yes }) {
  const dialog = byId("sure");
  byId("sure-title").textContent = title;
  byId("sure-says").textContent = says;
  byId("sure-no").textContent = no;
  byId("sure-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((decided) =>
    dialog.addEventListener("close", () => decided(dialog.returnValue === "yes"), { once: true }),
  );
}
