// @ts-check
/** Says beside a field what is wrong with its answer while the form is filled in. The service has the last word. */

import { typed } from "./answers.js";
import { announce } from "./elements.js";
import { mark, unmark } from "./problems.js";

/**
 * What of a parameter's JSON Schema can be checked here.
 * @typedef {{type?: string, enum?: unknown[], required?: boolean, pattern?: string, items?: Rules,
 *   minimum?: number, maximum?: number, exclusiveMinimum?: number, exclusiveMaximum?: number,
 *   minLength?: number, maxLength?: number, minItems?: number, maxItems?: number}} Rules
 */

/** A field is checked when it is left, and from its first fault on with each letter. @param {HTMLFormElement} form */
export function startChecks(form) {
  let pressed = false;
  addEventListener("pointerdown", () => (pressed = true), true);
  addEventListener("pointerup", () => (pressed = false), true);
  form.addEventListener("focusout", ({ target }) => {
    if (!isField(target)) return;
    const left = () => check(target, false);
    if (pressed) addEventListener("pointerup", () => setTimeout(left), { once: true }); // what is clicked must not move away
    else left();
  });
  form.addEventListener("input", ({ target }) => isField(target) && target.ariaInvalid && check(target, true));
}

/** @param {EventTarget|null} target @returns {target is HTMLInputElement} */
const isField = (target) =>
  target instanceof HTMLElement && ("rules" in target.dataset || target.matches("[type=email], [type=url]"));

/** @param {HTMLInputElement} field @param {boolean} edited */
function check(field, edited) {
  const words = "rules" in field.dataset ? wrong(JSON.parse(field.dataset.rules ?? "{}"), typed(field)) : misspelt(field);
  if (!words && !edited) return; // then what the service said of it still holds
  unmark(field);
  if (!words) return;
  mark(field, words, `${field.id}-fault`);
  if (!edited) announce(words);
}

/** @param {HTMLInputElement} field */
function misspelt({ validity, type }) {
  if (!validity.typeMismatch) return "";
  return type === "email" ? "This is not one e-mail address." : "This is no address such as https://example.org/hook.";
}

/** What is wrong with *value*, or nothing. @param {Rules} rules @param {unknown} value @returns {string} */
export function wrong(rules, value) {
  if (value === undefined) return rules.required ? "This is needed." : "";
  if (Array.isArray(value)) return wrongList(rules, value);
  if (rules.type === "integer" && !Number.isInteger(value)) return "This must be a whole number.";
  if (rules.type === "number" && typeof value !== "number") return "This must be a number.";
  if (rules.enum && !rules.enum.includes(value)) return `There are ${rules.enum.join(", ")}.`;
  return typeof value === "number" ? wrongNumber(rules, value) : wrongText(rules, String(value));
}

/** @param {Rules} rules @param {unknown[]} values */
function wrongList({ items = {}, minItems = 0, maxItems = Infinity }, values) {
  if (values.length < minItems) return `There must be ${minItems} lines at least.`;
  if (values.length > maxItems) return `There may be ${maxItems} lines at most.`;
  const faults = values.map((value, at) => [at + 1, wrong(items, value)]);
  const first = faults.find(([, words]) => words);
  return first ? `Line ${first[0]}: ${first[1]}` : "";
}

/** @param {Rules} rules @param {number} value */
function wrongNumber({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }, value) {
  if (minimum !== undefined && value < minimum) return `This must be ${minimum} or more.`;
  if (maximum !== undefined && value > maximum) return `This must be ${maximum} or less.`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return `This must be more than ${exclusiveMinimum}.`;
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return `This must be less than ${exclusiveMaximum}.`;
  return "";
}

/** @param {Rules} rules @param {string} value */
function wrongText({ minLength = 0, maxLength = Infinity, pattern }, value) {
  const { length } = [...value]; // of characters, as the service counts
  if (length < minLength) return `This must have ${minLength} characters at least.`;
  if (length > maxLength) return `This may have ${maxLength} characters at most.`;
  return pattern && !matches(pattern, value) ? `This must match ${pattern}` : "";
}

/** One that is no pattern here is left to the service. @param {string} pattern @param {string} value */
function matches(pattern, value) {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}
