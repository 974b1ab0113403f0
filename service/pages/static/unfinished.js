// @ts-check
/** Reminds the visitor of an upload that a reload or a lost link has cut off, and that can go on. */

import { byId } from "./elements.js";
import { dropUnfinished, findUnfinished } from "./resumable.js";
import { size } from "./words.js";

/** @param {HTMLFormElement} form */
export async function offerUnfinished(form) {
  const hide = () => (byId("unfinished").hidden = true);
  form.addEventListener("submit", hide);
  byId("unfinished-drop").addEventListener("click", () => (dropUnfinished(), hide()));
  const found = await findUnfinished().catch(() => null);
  if (!found) return;
  const there = `${size(found.offset)} of ${size(found.length)} are there`;
  byId("unfinished-says").textContent =
    `${found.name} was not sent to its end; ${there}. To go on, choose the same file with the same settings.`;
  byId("unfinished").hidden = false;
}
