// @ts-check
/** How the table is to be read, as far as the visitor declares it; the rest the service finds by looking. */

import { recall, remember } from "./memory.js";

const KEPT = 50; // mappings of columns that are remembered

/** @type {Record<string, string|boolean>} */
let declared = {};
/** A needed column's name: what the file calls it. @type {Record<string, string>} */
let columns = {};

/** What is declared and meant by a kind that needs these columns. @param {string[]} needed */
export function reading(needed) {
  const meant = Object.entries(columns).filter(([name]) => needed.includes(name));
  return { ...declared, ...(meant.length ? { columns: Object.fromEntries(meant) } : {}) };
}

export const isDeclared = () => Object.keys(declared).length > 0;
export const isMapped = () => Object.keys(columns).length > 0;

export function forgetColumns() {
  columns = {};
}

export function forgetDeclared() {
  declared = {};
}

/** @param {string} what @param {string|boolean} value */
export function declare(what, value) {
  declared[what] = value;
}

/** @param {string} name @param {string} column "" takes it back. */
export function map(name, column) {
  if (column && column !== name) columns[name] = column;
  else delete columns[name];
}

/** Remember the columns for files with this header. @param {string} kind @param {string[]} header */
export function keep(kind, header) {
  const others = kept().filter(([key]) => key !== keyOf(kind, header));
  remember("columns", JSON.stringify([[keyOf(kind, header), columns], ...others].slice(0, KEPT)));
}

/** Whether columns were remembered, and are mapped now. @param {string} kind @param {string[]} header */
export function restore(kind, header) {
  const found = kept().find(([key]) => key === keyOf(kind, header))?.[1];
  if (!found || !Object.keys(found).length) return false;
  columns = { ...found };
  return true;
}

/** @param {string} kind @param {string[]} header */
const keyOf = (kind, header) => JSON.stringify([kind, header]);

/** @returns {[string, Record<string, string>][]} */
function kept() {
  try {
    const found = JSON.parse(recall("columns") ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}
