// @ts-check
/** The page of one job. */

import { CSRF, newKey } from "./calls.js";
import { drawCharts, forgetCharts } from "./charts.js";
import { sure } from "./dialogs.js";
import { announce, byId, element } from "./elements.js";
import { whyBroken } from "./file.js";
import { Link, paced, renewPart } from "./link.js";

/** @typedef {import("./calls.js").Problem} Problem */

const DELETE = {
  title: "Delete this job?",
  says: "Its table, its result and its log are removed for good.",
  no: "Keep it",
  yes: "Delete",
};

/** @param {HTMLElement} main */
export function startJob(main) {
  const redraw = paced(drawCharts);
  let expectUntil = 0; // after a click, until when the job is bound to change
  const renew = paced(async () => {
    const before = main.dataset.state;
    const answer = await renewPart("main");
    if (answer.status === 404) return location.assign("/");
    if (main.dataset.state !== before) expectUntil = 0;
    tell(main, before);
    redraw();
  });
  const settled = () => !("unsettled" in main.dataset) && Date.now() > expectUntil;
  const link = new Link(`/v1/jobs/${main.dataset.job}/stream`, renew, settled);
  const catchUp = () => {
    link.tries = 0;
    renew();
    link.connect();
  };
  const expect = () => {
    expectUntil = Date.now() + 15_000;
    catchUp();
  };
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-act]") : null;
    if (button instanceof HTMLButtonElement) act(main.dataset.job ?? "", button, expect, catchUp);
  });
  document.addEventListener("change", (event) => {
    const form = event.target instanceof Element ? event.target.closest("[data-amend]") : null;
    if (form instanceof HTMLFormElement) amend(form);
  });
  document.addEventListener("visibilitychange", () => document.hidden || catchUp()); // tried again elsewhere, perhaps
  if (settled()) link.say("done", "complete");
  else link.connect();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    forgetCharts(); // they are drawn in the other colours
    redraw();
  });
  redraw();
}

/** Say a change of state, and each quarter of the way. @param {HTMLElement} main @param {string|undefined} before */
function tell(main, before) {
  const { state } = main.dataset;
  const bar = main.querySelector("progress");
  if (state !== before) return announce(`The job is ${state}. ${byId("headline")?.textContent ?? ""}`);
  if (bar?.hasAttribute("value")) announce(`${Math.floor(4 * bar.value) * 25} % done`);
}

/**
 * @param {string} job
 * @param {HTMLButtonElement} button
 * @param {() => void} expect It was accepted.
 * @param {() => void} catchUp It was refused: the job is not as it is shown.
 */
async function act(job, button, expect, catchUp) {
  const what = button.dataset.act ?? "";
  if (what === "delete" && !(await sure(DELETE))) return;
  button.disabled = true;
  byId("act-problem").hidden = true;
  const [method, path] = what === "delete" ? ["DELETE", ""] : ["POST", `/${what}`];
  const answer = await fetch(`/v1/jobs/${job}${path}`, { method, headers: CSRF }).catch(() => null);
  button.disabled = false;
  if (!answer?.ok) {
    const problem = await answer?.json().catch(() => null);
    byId("act-problem").textContent = problem?.detail ?? "The service cannot be reached.";
    byId("act-problem").hidden = false;
    return catchUp();
  }
  if (what === "delete") return location.assign("/");
  announce(what === "cancel" ? "Cancelling." : "Queued again.");
  expect();
}

/** Send rows to merge into the job's result; that is a new job, and the page goes there. @param {HTMLFormElement} form */
async function amend(form) {
  const input = /** @type {HTMLInputElement} */ (form.querySelector("input[type=file]"));
  const [file] = input.files ?? [];
  if (!file) return;
  const problem = byId(`${form.dataset.amend}-problem`);
  problem.hidden = input.disabled = true;
  announce("Sending the rows.");
  const body = new FormData();
  body.set("file", file, file.name);
  const headers = { ...CSRF, "Idempotency-Key": newKey() };
  const answer = await fetch(`/v1${form.getAttribute("action")}`, { method: "POST", body, headers }).catch(() => null);
  const found = await answer?.json().catch(() => null);
  if (answer?.ok && found?.id) return location.assign(`/jobs/${found.id}`);
  input.disabled = false;
  input.value = ""; // so that the same file, put right, can be chosen again
  /** @type {Problem} */
  const { detail, errors = [] } = found?.title ? found : await whyBroken(file);
  problem.querySelector("p").textContent = errors.length ? "" : detail;
  problem.querySelector("ul").replaceChildren(...errors.map((fault) => element("li", {}, fault.detail)));
  problem.hidden = false;
}
