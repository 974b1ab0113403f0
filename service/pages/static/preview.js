// @ts-check
/** Asks the service for a look at the beginning of the chosen file, and again when something is declared. */

import { answers, chosen, needed } from "./answers.js";
import { CSRF } from "./calls.js";
import { byId } from "./elements.js";
import { hidePreview, showPreview } from "./findings.js";
import { paced } from "./link.js";
import { declare, forgetColumns, forgetDeclared, isMapped, keep, map, reading, restore } from "./reading.js";

const MOST = 262_144; // bytes; more the service does not look at
/** @typedef {import("./findings.js").Preview} Preview */

/** The header that was seen last. @type {string[]} */
let header = [];

/** @param {HTMLFormElement} form */
export function startPreview(form) {
  const renew = paced(() => look(form, renew));
  byId("file").addEventListener("change", () => (forgetDeclared(), forgetColumns(), renew()));
  form.addEventListener("change", (event) => {
    const control = /** @type {HTMLInputElement} */ (event.target);
    const { reading: what, need } = control.dataset;
    if (what) declare(what, what === "header" ? control.value === "true" : control.value);
    if (need) map(need, control.value);
    if (need) keep(chosen(form)?.value ?? "", header);
    if (what || need || control.name === "kind" || control.dataset.param) renew();
  });
  form.addEventListener("input", ({ target }) => {
    if (/** @type {HTMLElement} */ (target).dataset.param) renew(); // a column that is being named, say
  });
  byId("as-found").addEventListener("click", () => (forgetDeclared(), renew()));
  if (byId("file").files.length) renew(); // the browser kept it over a reload
}

/** @param {HTMLFormElement} form @param {() => void} renew */
async function look(form, renew) {
  const [file] = byId("file").files;
  if (!file) return hidePreview();
  const found = (await ask(form, file, answers(form))) ?? (await ask(form, file, {}));
  if (byId("file").files[0] !== file) return;
  if (!found) return hidePreview(); // what is shown may be of the file before
  header = found.columns;
  const lacks = found.needed.some(({ column }) => !column);
  if (lacks && !isMapped() && restore(chosen(form)?.value ?? "", header)) renew();
  showPreview(found);
}

/** What it finds, or nothing where the answers are wrong. @param {HTMLFormElement} form @param {File} file @param {object} params @returns {Promise<Preview|null>} */
async function ask(form, file, params) {
  const body = new FormData();
  body.set("kind", chosen(form)?.value ?? "");
  body.set("params", JSON.stringify(params));
  body.set("reading", JSON.stringify(reading(needed(form))));
  body.set("file", file.slice(0, MOST), file.name);
  const answer = await fetch("/v1/preview", { method: "POST", body, headers: CSRF }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}
