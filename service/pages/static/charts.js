// @ts-check
/** Draws the charts from their Vega-Lite, live and without evaluating anything. */

import { byId, element } from "./elements.js";
import { seriesButtons, seriesOf, without } from "./series.js";

const VEGA = document.querySelector("meta[name=vega]")?.getAttribute("content") ?? "";

/**
 * What was drawn last of the data in *text*, and what its reader has hidden.
 * @typedef {{text: string, view: any, hidden: Set<string>, buttons: Element|null, values: string}} Drawn
 */

/** @type {Map<Element, Drawn>} */
const drawn = new Map();
/** @type {Promise<any>|null} */
let vega = null;

/** Load the bundle when there is something to draw, and not before. @returns {Promise<any>} */
function loadVega() {
  vega ??= new Promise((loaded, failed) => {
    const script = document.createElement("script");
    Object.assign(script, { src: VEGA, onload: () => loaded(/** @type {any} */ (window).vegaEmbed), onerror: failed });
    document.head.append(script);
  });
  return vega;
}

/** Draw them all anew next time. */
export function forgetCharts() {
  for (const chart of drawn.values()) chart.text = "";
}

/** Draw each chart whose data are not those that are drawn already. */
export async function drawCharts() {
  for (const [figure, chart] of drawn) if (!figure.isConnected && drawn.delete(figure)) chart.view?.finalize();
  for (const figure of document.querySelectorAll("figure.chart")) {
    const text = figure.querySelector("script")?.textContent ?? "";
    const chart = drawn.get(figure) ?? { text: "", view: null, hidden: new Set(), buttons: null, values: "" };
    if (chart.text === text) continue;
    chart.text = text;
    drawn.set(figure, chart);
    await draw(figure, chart).catch(() => undefined); // the picture stays, where there is one
  }
}

/** @param {Element} figure @param {Drawn} chart */
async function draw(figure, chart) {
  const embed = await loadVega();
  const canvas = /** @type {Element} */ (figure.querySelector(".canvas"));
  const box = element("div", { class: "plot fresh" });
  canvas.prepend(box);
  const { title: _, ...spec } = JSON.parse(chart.text); // the title is the page's
  const how = single(spec) ? { patch: widen } : {};
  const still = { ast: true, actions: false, defaultStyle: false, renderer: "svg" }; // no eval, no styles of its own
  try {
    const fit = single(spec) ? { width: 300 } : sheetFit(spec, canvas.clientWidth);
    const series = single(spec) ? seriesOf(spec) : null;
    const plot = { ...without(spec, series, chart.hidden), ...fit, background: "transparent" };
    const { view } = await embed(box, plot, { ...how, ...still, tooltip: showTip, config: theme() });
    chart.view?.finalize();
    chart.view = view;
    box.className = "plot";
    offer(chart, series);
    for (const old of [...canvas.children]) if (old !== box && old !== chart.buttons) old.remove();
    if (chart.buttons && !chart.buttons.isConnected) canvas.append(chart.buttons);
  } catch (error) {
    box.remove();
    throw error;
  }
}

/** The buttons for the series, anew only where these are others. @param {Drawn} chart @param {import("./series.js").Series|null} series */
function offer(chart, series) {
  const values = JSON.stringify(series?.values ?? null);
  if (values === chart.values) return;
  const redraw = () => ((chart.text = ""), void drawCharts());
  chart.buttons = series && seriesButtons(series, chart.hidden, redraw);
  chart.values = values;
}

/** Whether the chart is one plot, which can be as wide as the page allows. @param {any} spec */
const single = (spec) => !["facet", "concat", "hconcat", "vconcat", "repeat"].some((word) => word in spec);

/** As many small charts of a sheet side by side as there is room for. @param {any} spec @param {number} room */
const sheetFit = ({ columns }, room) =>
  columns ? { columns: Math.max(1, Math.min(columns, Math.floor(room / 250))) } : {};

/** As wide as its container. Vega-Lite's own way to say so warns about bars of a fixed height. @param {any} plot */
function widen({ width: _, ...plot }) {
  const update = "containerSize()[0]";
  const wide = { name: "width", init: update, on: [{ events: "window:resize", update }] };
  return { ...plot, autosize: { type: "fit-x", contains: "padding" }, signals: [...(plot.signals ?? []), wide] };
}

/** The page's colours, for light and for dark. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const rem = parseFloat(style.fontSize);
  const sizes = { labelFontSize: 0.75 * rem, titleFontSize: 0.75 * rem };
  const words = { labelColor: colour("--quiet"), titleColor: colour("--quiet"), ...sizes };
  const lines = { gridColor: colour("--line"), domainColor: colour("--edge"), tickColor: colour("--edge") };
  return {
    font: getComputedStyle(document.body).fontFamily,
    axis: { ...words, ...lines, titleFontWeight: 500, labelLimit: 140 },
    legend: words,
    title: { color: colour("--ink"), subtitleColor: colour("--quiet"), fontSize: 0.875 * rem, fontWeight: 600, anchor: "start" },
    view: { stroke: "transparent" },
    mark: { color: colour("--accent") },
    text: { color: colour("--ink") },
    rule: { color: colour("--amber") },
    range: { category: ["--accent", "--amber", "--red", "--green", "--quiet"].map(colour) },
  };
}

/**
 * What Vega shows on hovering, as text and nothing else.
 * @param {any} _handler @param {MouseEvent} event @param {any} _item @param {any} value
 */
function showTip(_handler, event, _item, value) {
  byId("tip")?.remove();
  if (value === null || value === undefined || value === "") return;
  const facts = typeof value === "object" ? Object.entries(value) : [["", value]];
  const lines = facts.map(([name, fact]) => element("div", {}, element("span", {}, String(name)), " ", String(fact)));
  const tip = element("div", { id: "tip", class: "tip", role: "tooltip" }, ...lines);
  document.body.append(tip);
  tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 12, innerHeight - tip.offsetHeight - 8)}px`;
}
