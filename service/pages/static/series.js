// @ts-check
/** Lets the reader of a chart hide and show its series, by mouse and by keyboard. Pure, but for the buttons. */

import { element } from "./elements.js";

const MOST = 24;

/** @typedef {{field: string, values: string[]}} Series */

/** What is told apart in a single plot: by colour, else along an axis of names. @param {any} spec @returns {Series|null} */
export function seriesOf(spec) {
  const { color, x, y } = spec.encoding ?? {};
  const named = [color, x, y].find((one) => one?.field && ["nominal", "ordinal"].includes(one.type));
  const rows = Array.isArray(spec.data?.values) ? spec.data.values : [];
  if (!named) return null;
  const values = /** @type {string[]} */ ([...new Set(rows.map((/** @type {any} */ row) => row[named.field]))]);
  const fit = values.length > 1 && values.length <= MOST && values.every((value) => typeof value === "string");
  return fit ? { field: named.field, values } : null;
}

/** The same chart without what is hidden. @param {any} spec @param {Series|null} series @param {Set<string>} hidden */
export function without(spec, series, hidden) {
  if (!series || !hidden.size) return spec;
  const values = spec.data.values.filter((/** @type {any} */ row) => !hidden.has(row[series.field]));
  return { ...spec, data: { ...spec.data, values } };
}

/**
 * A button for each of the series; one always stays.
 * @param {Series} series @param {Set<string>} hidden @param {() => void} redraw @returns {HTMLElement}
 */
export function seriesButtons(series, hidden, redraw) {
  const buttons = series.values.map((value) => {
    const button = element("button", { type: "button", "aria-pressed": String(!hidden.has(value)) }, value || "(blank)");
    button.addEventListener("click", () => {
      if (!hidden.delete(value) && hidden.size < series.values.length - 1) hidden.add(value);
      button.setAttribute("aria-pressed", String(!hidden.has(value)));
      redraw();
    });
    return button;
  });
  const group = element("div", { role: "group", "aria-label": "Shown in the chart" }, ...buttons);
  return element("details", { class: "series" }, element("summary", {}, "Choose what is shown"), group);
}
