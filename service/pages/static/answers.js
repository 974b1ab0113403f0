// @ts-check
/** What the form was answered, as the API takes it. */

import { byId } from "./elements.js";
import { isDeclared, isMapped, reading } from "./reading.js";

/** @param {HTMLFormElement} form @returns {HTMLInputElement|null} */
export const chosen = (form) => form.querySelector("input[name=kind]:checked");

/** The chosen kind's parameters; one of the wrong type goes as it is. @param {HTMLFormElement} form */
export function answers(form) {
  /** @type {Record<string, unknown>} */
  const given = {};
  const fields = chosen(form)?.closest(".kind")?.querySelectorAll("[data-param]") ?? [];
  for (const field of /** @type {Iterable<HTMLInputElement>} */ (fields)) {
    const value = typed(field);
    if (value !== undefined) given[field.dataset.param ?? ""] = value;
  }
  return given;
}

/** What the chosen kind calls the columns that it needs. @param {HTMLFormElement} form @returns {string[]} */
export function needed(form) {
  /** @type {{name: string, param: string|null}[]} */
  const needs = JSON.parse(chosen(form)?.dataset.needs ?? "[]");
  const given = answers(form);
  return needs.map(({ name, param }) => String((param && given[param]) || name));
}

/** Whether the answers spare a table. @param {HTMLFormElement} form */
export function standIn(form) {
  /** @type {string[]} */
  const names = JSON.parse(chosen(form)?.dataset.standsIn ?? "[]");
  const given = answers(form);
  return names.length > 0 && names.every((name) => given[name] !== undefined);
}

/** What was answered, as the JSON type that was asked for if it can be. @param {HTMLInputElement} field @returns {unknown} */
export function typed(field) {
  const { type } = field.dataset;
  if (type === "boolean") return field.checked;
  const text = field.value.trim() || (field.tagName === "SELECT" ? field.value : "");
  if (!text) return undefined;
  if (type === "array") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  return (type === "number" || type === "integer") && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** @param {HTMLFormElement} form @returns {FormData} */
export function submission(form) {
  const data = new FormData();
  data.set("kind", chosen(form)?.value ?? "");
  data.set("params", JSON.stringify(answers(form)));
  if (isDeclared() || isMapped()) data.set("reading", JSON.stringify(reading(needed(form))));
  data.set("priority", byId("priority").value);
  for (const { value } of byId("emails").children) if (value.trim()) data.append("email", value.trim());
  const webhook = byId("webhook").value.trim();
  if (webhook) data.append("webhook", webhook);
  const [file] = byId("file").files;
  if (file) data.set("file", file, file.name); // last, so that all else is known when it streams by
  return data;
}
