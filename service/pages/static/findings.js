// @ts-check
/** Shows what was found in the beginning of a table: how it is read and why, its first rows, the columns it has. */

import { byId, element } from "./elements.js";
import { isDeclared } from "./reading.js";

const WIDEST = 60; // columns that are shown

/**
 * @typedef {{what: string, value: string, why: string, line: number|null}} Finding
 * @typedef {{name: string, type: string, column: string|null}} Need
 * @typedef {{findings: Finding[], columns: string[], rows: string[][], lines: number[], needed: Need[],
 *   errors: import("./calls.js").Fault[], whole: boolean}} Preview
 */

export function hidePreview() {
  byId("preview").hidden = byId("file-columns").hidden = true;
  byId("columns").replaceChildren();
}

/** @param {Preview} found */
export function showPreview(found) {
  const names = found.columns.map((name) => element("option", { value: name }));
  byId("columns").replaceChildren(...names);
  const format = found.findings.find(({ what }) => what === "format")?.value;
  byId("file-facts").textContent = [byId("file-facts").dataset.size, format, columnCount(found)].filter(Boolean).join(" · ");
  byId("read").hidden = Boolean(format); // what is no CSV has neither delimiter nor encoding
  showColumns(found);
  showNeeds(found);
  if (!isDeclared()) forgetFindings();
  for (const finding of found.findings) showFinding(finding);
  byId("as-found").hidden = !isDeclared();
  showRows(found);
  const faults = found.errors.filter(({ code }) => code !== "missing_column");
  byId("preview-errors").replaceChildren(...faults.slice(0, 5).map((fault) => element("li", {}, said(fault))));
  byId("preview").hidden = false;
}

/** @param {Preview} found */
const columnCount = ({ columns }) => (columns.length ? `${columns.length} column${columns.length > 1 ? "s" : ""}` : "");

/** @param {import("./calls.js").Fault} fault */
const said = ({ line, column, detail }) => [line && `Line ${line}`, column, detail].filter(Boolean).join(": ");

/** Which columns the kind will find, and which not. @param {Preview} found */
function showColumns({ columns, needed }) {
  const chip = (/** @type {string} */ text, /** @type {string} */ how) => element("li", { class: how }, text);
  const used = new Set(needed.map(({ column }) => column));
  const lacking = columns.length ? needed.filter(({ column }) => !column) : [];
  const missing = lacking.map(({ name }) => chip(`${name} is missing`, "lacking"));
  const there = columns.slice(0, WIDEST).map((name) => chip(name, used.has(name) ? "used" : ""));
  byId("file-columns").replaceChildren(...missing, ...there);
  byId("file-columns").hidden = !columns.length;
}

/** For each needed column the file's own that is meant. @param {Preview} found */
function showNeeds({ columns, needed }) {
  const details = byId("needs");
  details.hidden = !needed.length || !columns.length;
  if (needed.some(({ column }) => !column)) details.open = true;
  const focus = document.activeElement?.id;
  byId("needs-list").replaceChildren(...needed.map((need, at) => needRow(need, `need-${at}`, columns)));
  if (focus?.startsWith("need-")) byId(focus)?.focus();
}

/** @param {Need} need @param {string} id @param {string[]} columns */
function needRow(need, id, columns) {
  const label = element("label", { for: id }, need.name, " ", element("span", { class: "quiet" }, need.type));
  const select = /** @type {HTMLSelectElement} */ (element("select", { id, "data-need": need.name }));
  const nothing = element("option", { value: "" }, "choose its column");
  select.append(nothing, ...columns.map((name) => element("option", { value: name }, name)));
  select.value = need.column ?? "";
  if (!need.column) select.setAttribute("aria-invalid", "true");
  return element("div", { class: "need" }, label, select);
}

/** What was found in another file says nothing of this one. */
function forgetFindings() {
  for (const radio of document.querySelectorAll("input[data-found]")) /** @type {HTMLInputElement} */ (radio).checked = false;
  for (const why of document.querySelectorAll("#read .help")) why.textContent = "";
  byId("encoding").selectedIndex = 0; // so that to choose the same one is a change
}

/** @param {Finding} finding */
function showFinding({ what, value, why }) {
  const about = byId(`why-${what}`);
  if (!about) return;
  about.textContent = why;
  const meant = what === "header" ? String(value !== "none") : value;
  const controls = /** @type {NodeListOf<HTMLInputElement|HTMLSelectElement>} */ (
    document.querySelectorAll(`[data-found="${what}"]`)
  );
  for (const control of controls) {
    if (control instanceof HTMLInputElement) control.checked = control.value === meant;
    else choose(control, meant);
  }
}

/** @param {HTMLSelectElement} select @param {string} value */
function choose(select, value) {
  if (![...select.options].some((option) => option.value === value)) select.add(new Option(value, value));
  select.value = value;
}

/** @param {Preview} found */
function showRows({ columns, rows, lines }) {
  const head = columns.slice(0, WIDEST).map((name) => element("th", { scope: "col" }, name));
  const body = rows.map((cells, at) => {
    const line = element("td", { class: "line" }, String(lines[at]));
    return element("tr", {}, line, ...cells.slice(0, WIDEST).map((cell) => element("td", {}, cell)));
  });
  const titles = element("tr", {}, element("th", { scope: "col", class: "line" }, "Line"), ...head);
  byId("preview-rows").replaceChildren(element("thead", {}, titles), element("tbody", {}, ...body));
  byId("preview-table").hidden = !rows.length;
}
