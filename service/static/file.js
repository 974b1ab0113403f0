// @ts-check
/** What the page finds in the chosen file before it is sent; the service decides. */

import { answers, chosen } from "./answers.js";
import { byId, element } from "./elements.js";
import { size } from "./words.js";

const MARKS = [",", ";", "\t", "|"];

/** The header as far as a look at it tells; the service decides. @type {string[]} */
let columns = [];

/** @param {HTMLFormElement} form */
export async function showFile(form) {
  const [file] = byId("file").files;
  byId("drop").classList.toggle("full", Boolean(file));
  columns = file ? header(await file.slice(0, 65_536).text()) : [];
  byId("file-name").textContent = file?.name ?? "Drop a table here, or choose a file";
  const count = columns.length ? ` · ${columns.length} columns` : "";
  byId("file-facts").textContent = file ? size(file.size) + count : "";
  byId("columns").replaceChildren(...columns.map((name) => element("option", { value: name })));
  showNeeds(form);
}

/** @param {string} text @returns {string[]} */
function header(text) {
  const line = text.replace(/^\uFEFF/, "").split(/\r?\n/).find((one) => one.trim()) ?? "";
  if (/[\0\uFFFD]/.test(line)) return [];
  const mark = MARKS.reduce((best, one) => (line.split(one).length > line.split(best).length ? one : best));
  return line.split(mark).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1").trim());
}

/** Show which columns the chosen kind will find, and which not. @param {HTMLFormElement} form */
export function showNeeds(form) {
  const kind = chosen(form);
  /** @type {{name: string, param: string|null}[]} */
  const needs = kind ? JSON.parse(kind.dataset.needs ?? "[]") : [];
  const names = needs.map(({ name, param }) => (param && answers(form)[param]) || name).map(String);
  const chip = (/** @type {string} */ text, /** @type {string} */ how) => element("li", { class: how }, text);
  const folded = names.map((name) => name.toLowerCase());
  const headless = kind?.dataset.header === "optional" && !columns.some((name) => folded.includes(name.toLowerCase()));
  const items = headless
    ? [chip(`no header: taken for ${names.join(", ")}`, "")]
    : columns.slice(0, 40).map((name) => chip(name, names.includes(name) ? "used" : ""));
  const lacking = columns.length && !headless ? names.filter((name) => !columns.includes(name)) : [];
  const missing = lacking.map((name) => chip(`${name} is missing`, "lacking"));
  byId("file-columns").replaceChildren(...missing, ...items);
  byId("file-columns").hidden = !columns.length;
}
