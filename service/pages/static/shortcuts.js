// @ts-check
/** Single keys for those who like them; whoever does not, or speaks to the machine, turns them off. */

import { sure } from "./dialogs.js";
import { byId } from "./elements.js";
import { recall, remember } from "./memory.js";

/** @type {Record<string, () => void>} */
const DEEDS = {
  "?": () => byId("keys").showModal(),
  "/": () => byId("q")?.focus(),
  n: () => byId("file")?.click(),
  j: () => step(1),
  k: () => step(-1),
  u: () => location.assign("/"),
  c: () => press("cancel", "Cancel this job?"),
  r: () => press("retry", "Try this job again?"),
};

export function startShortcuts() {
  const on = /** @type {HTMLInputElement} */ (byId("keys-on"));
  on.checked = recall("keys") !== "off";
  on.addEventListener("change", () => remember("keys", on.checked ? "on" : "off"));
  byId("keys-open").addEventListener("click", () => byId("keys").showModal());
  addEventListener("keydown", (event) => {
    const deed = DEEDS[event.key];
    if (!deed || !on.checked || busy(event)) return;
    event.preventDefault();
    deed();
  });
}

/** Whether the key is meant for something else. @param {KeyboardEvent} event */
function busy(event) {
  const writes = event.target instanceof Element && event.target.closest("input:not([type=radio]), select, textarea");
  return writes || event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]");
}

/** To the next job of the list, or the one before. @param {number} way */
function step(way) {
  const jobs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".job-name a")]);
  const at = jobs.findIndex((job) => job === document.activeElement);
  jobs[at < 0 ? 0 : Math.max(0, Math.min(jobs.length - 1, at + way))]?.focus();
}

/** Where there is such a button; a key is hit more easily by mistake. @param {string} act @param {string} title */
async function press(act, title) {
  const button = () => /** @type {HTMLButtonElement|null} */ (document.querySelector(`[data-act=${act}]`));
  if (button() && (await sure({ title, says: "", no: "No", yes: "Yes" }))) button()?.click();
}
