// @ts-check
/** Says what is wrong above the form, and beside each field meant. */

import { chosen } from "./answers.js";
import { byId, element } from "./elements.js";

/**
 * @typedef {import("./calls.js").Fault} Fault
 * @typedef {import("./calls.js").Problem} Problem
 */

/** @param {HTMLFormElement} form */
export function clearProblem(form) {
  byId("problem").hidden = true;
  for (const control of form.querySelectorAll("[data-pointer] [aria-invalid]:not([data-need])")) unmark(control);
}

/** Say it above the form, and beside each field meant. @param {HTMLFormElement} form @param {Problem} problem */
export function showProblem(form, problem) {
  const faults = problem.errors ?? [];
  byId("problem-title").textContent = problem.title;
  byId("problem-detail").textContent = faults.length ? "" : problem.detail;
  byId("problem-list").replaceChildren(...faults.map((fault, at) => element("li", {}, showFault(form, fault, at))));
  byId("problem").hidden = false;
  byId("problem").focus();
}

/** @param {HTMLFormElement} form @param {Fault} fault @param {number} at @returns {Node|string} */
function showFault(form, fault, at) {
  const place = [fault.line ? `Line ${fault.line}` : "", fault.column ?? ""].filter(Boolean).join(", ");
  const words = place ? `${place}: ${fault.detail}` : fault.detail;
  const asked = controlAt(form, fault.pointer ?? "");
  if (asked) mark(asked, words, `fault-${at}`);
  const control = asked ?? chooserOf(form, fault.column ?? ""); // which is marked where it is shown
  if (!control) return words;
  control.closest("details")?.setAttribute("open", "");
  const link = element("a", { href: `#${control.id}` }, words);
  link.addEventListener("click", (event) => (event.preventDefault(), control.focus()));
  return link;
}

/** Say beside *control* what is wrong with it. @param {HTMLElement} control @param {string} words @param {string} id */
export function mark(control, words, id) {
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", [...describing(control), id].join(" "));
  control.closest("[data-pointer]")?.append(element("p", { class: "fault", id }, words));
}

/** Take back all that was said of *control*. @param {Element} control */
export function unmark(control) {
  const ids = describing(control);
  const faults = ids.filter((id) => byId(id)?.matches(".fault"));
  for (const id of faults) byId(id).remove();
  control.setAttribute("aria-describedby", ids.filter((id) => !faults.includes(id)).join(" "));
  control.removeAttribute("aria-invalid");
}

/** @param {Element} control */
const describing = (control) => (control.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean);

/** Where the file's own column is chosen for a needed one. @param {HTMLFormElement} form @param {string} column */
function chooserOf(form, column) {
  return /** @type {HTMLElement|null} */ (form.querySelector(`[data-need="${CSS.escape(column)}"]`));
}

/** What a pointer such as /params/sigma or /email/1 means. @param {HTMLFormElement} form @param {string} pointer */
function controlAt(form, pointer) {
  const place = [...form.querySelectorAll("[data-pointer]")].find((one) => {
    const kind = one.closest(".kind");
    const meant = /** @type {HTMLElement} */ (one).dataset.pointer ?? "";
    return (!kind || kind.contains(chosen(form))) && (pointer === meant || pointer.startsWith(`${meant}/`));
  });
  const controls = [...(place?.querySelectorAll("input, select, textarea") ?? [])].filter(
    (/** @type {any} */ one) => one.name !== "email" || one.value.trim(), // blank ones were not sent, nor counted
  );
  const at = Number(pointer.split("/").at(-1)) || 0;
  return /** @type {HTMLElement|null} */ (controls[at] ?? controls[0] ?? null);
}
