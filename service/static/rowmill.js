// @ts-check
/**
 * Makes the server's pages live. It renders nothing that the server renders: a websocket says that something
 * changed, the page is fetched again, and what differs is taken over. Text from files only ever becomes text.
 */
"use strict";

const VEGA = document.currentScript?.dataset.vega ?? "";
const CSRF = { "X-CSRF-Token": document.querySelector("meta[name=csrf]")?.getAttribute("content") ?? "" };
const MARKS = [",", ";", "\t", "|"];

/**
 * @typedef {{code: string, detail: string, pointer?: string|null, line?: number|null, column?: string|null}} Fault
 * @typedef {{title: string, detail: string, errors?: Fault[]}} Problem
 */

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {string} text For those who listen instead of look. */
function announce(text) {
  const place = byId("announce");
  if (place.textContent !== text) place.textContent = text;
}

// ---------------------------------------------------------------------------------------------- words

/** @param {number} count @returns {string} */
function size(count) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (count >= 1024 && power < units.length - 1) [count, power] = [count / 1024, power + 1];
  return `${power ? count.toFixed(1) : count} ${units[power]}`;
}

/** @param {number} seconds @returns {string} */
function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Say times in the reader's own zone. @param {ParentNode} where */
function localise(where) {
  for (const time of where.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(/** @type {HTMLTimeElement} */ (time).dateTime);
    time.setAttribute("title", at.toISOString());
    const today = at.toDateString() === new Date().toDateString();
    const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    time.textContent = today ? clock : `${at.toLocaleDateString([], { dateStyle: "medium" })}, ${clock}`;
  }
}

// ---------------------------------------------------------------------------------------------- taking over

/** Make *now* what *next* is, leaving alone what is the same. @param {Node} now @param {Node} next */
function morph(now, next) {
  if (!(now instanceof Element) || !(next instanceof Element)) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
    return;
  }
  const same = now instanceof HTMLTimeElement && now.dateTime === next.getAttribute("datetime");
  if (same || now.hasAttribute("data-keep")) return;
  morphAttributes(now, next);
  morphChildren(now, next);
}

/** @param {Element} now @param {Element} next */
function morphAttributes(now, next) {
  for (const { name } of [...now.attributes]) {
    if (name !== "open" && !next.hasAttribute(name)) now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
}

/** What has an id is found again by it, the rest by its place. @param {Element} now @param {Element} next */
function morphChildren(now, next) {
  let at = now.firstChild;
  for (const wanted of [...next.childNodes]) {
    const found = counterpart(now, at, wanted);
    if (!found) now.insertBefore(document.importNode(wanted, true), at);
    else if (found === at) at = at.nextSibling;
    else now.insertBefore(found, at);
    if (found) morph(found, wanted);
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

/** @param {Element} parent @param {ChildNode|null} at @param {ChildNode} wanted @returns {ChildNode|null} */
function counterpart(parent, at, wanted) {
  const id = wanted instanceof Element ? wanted.id : "";
  if (id) return [...parent.children].find((child) => child.id === id) ?? null;
  const same = at && at.nodeName === wanted.nodeName && !(at instanceof Element && at.id);
  return same ? at : null;
}

// ---------------------------------------------------------------------------------------------- live

/**
 * Do *work* one at a time, and with a pause that grows with it: a slow server is asked less often.
 * @param {() => Promise<void>} work
 * @returns {() => void}
 */
function paced(work) {
  let [busy, again] = [false, false];
  return async function renew() {
    if (busy) return void (again = true);
    [busy, again] = [true, false];
    const began = performance.now();
    await work().catch(() => undefined);
    const pause = Math.min(2000, Math.max(250, 4 * (performance.now() - began)));
    setTimeout(() => {
      busy = false;
      if (again) renew();
    }, pause);
  };
}

/** The websocket behind a page: reconnects by itself and catches up by renewing the page. */
class Link {
  /** @param {string} path @param {() => void} renew @param {() => boolean} settled */
  constructor(path, renew, settled) {
    this.url = location.origin.replace(/^http/, "ws") + path;
    [this.renew, this.settled] = [renew, settled];
    [this.tries, this.since, this.open] = [0, 0, false];
  }

  connect() {
    if (this.open) return;
    this.open = true;
    const socket = new WebSocket(this.url);
    socket.onopen = () => {
      this.since = performance.now();
      this.say("live", "live");
      this.renew();
    };
    socket.onmessage = () => this.renew();
    socket.onclose = () => this.closed();
  }

  closed() {
    this.open = false;
    if (this.since && performance.now() - this.since > 5000) this.tries = 0;
    this.since = 0;
    this.renew();
    const wait = Math.min(15_000, 500 * 2 ** this.tries++) * (0.75 + Math.random() / 2);
    if (this.tries > 1) this.say("off", "reconnecting");
    setTimeout(() => (this.settled() ? this.say("done", "complete") : this.connect()), wait);
  }

  /** @param {string} state @param {string} words */
  say(state, words) {
    byId("link").dataset.link = state;
    byId("link-says").textContent = words;
  }
}

/** @param {string} id The part of the page to bring up to date. @returns {Promise<Response>} */
async function renewPart(id) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (answer.redirected && new URL(answer.url).pathname === "/login") location.assign(answer.url); // the session is over
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [now, next] = [byId(id), fresh.getElementById(id)];
  if (!now || !next) return answer;
  morph(now, next);
  localise(now);
  document.title = fresh.title;
  return answer;
}

// ---------------------------------------------------------------------------------------------- charts

/** @type {Map<Element, {text: string, view: any}>} */
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

/** Draw each chart whose data are not those that are drawn already. */
async function drawCharts() {
  for (const [figure, chart] of drawn) if (!figure.isConnected && drawn.delete(figure)) chart.view?.finalize();
  for (const figure of document.querySelectorAll("figure.chart")) {
    const text = figure.querySelector("script")?.textContent ?? "";
    const before = drawn.get(figure);
    if (before?.text === text) continue;
    drawn.set(figure, { text, view: before?.view });
    await draw(figure, text).catch(() => undefined); // the picture stays, where there is one
  }
}

/** @param {Element} figure @param {string} text */
async function draw(figure, text) {
  const embed = await loadVega();
  const canvas = /** @type {Element} */ (figure.querySelector(".canvas"));
  const box = element("div", { class: "plot fresh" });
  canvas.append(box);
  const { title: _, ...spec } = JSON.parse(text); // the title is the page's
  const how = single(spec) ? { patch: widen } : {};
  const still = { ast: true, actions: false, defaultStyle: false, renderer: "svg" }; // no eval, no styles of its own
  try {
    const fit = single(spec) ? { width: 300 } : sheetFit(spec, canvas.clientWidth);
    const plot = { ...spec, ...fit, background: "transparent" };
    const { view } = await embed(box, plot, { ...how, ...still, tooltip: showTip, config: theme() });
    drawn.get(figure)?.view?.finalize();
    drawn.set(figure, { text, view });
    box.className = "plot";
    canvas.replaceChildren(box);
  } catch (error) {
    box.remove();
    throw error;
  }
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
  const words = { labelColor: colour("--quiet"), titleColor: colour("--quiet"), labelFontSize: 12, titleFontSize: 12 };
  const lines = { gridColor: colour("--line"), domainColor: colour("--edge"), tickColor: colour("--edge") };
  return {
    font: getComputedStyle(document.body).fontFamily,
    axis: { ...words, ...lines, titleFontWeight: 500, labelLimit: 140 },
    legend: words,
    title: { color: colour("--ink"), subtitleColor: colour("--quiet"), fontSize: 14, fontWeight: 600, anchor: "start" },
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

// ---------------------------------------------------------------------------------------------- one job

/** @param {HTMLElement} main */
function startJob(main) {
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
  const expect = () => {
    link.tries = 0;
    expectUntil = Date.now() + 15_000;
    renew();
    link.connect();
  };
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-act]") : null;
    if (button instanceof HTMLButtonElement) act(main.dataset.job ?? "", button, expect);
  });
  document.addEventListener("change", (event) => {
    const form = event.target instanceof Element ? event.target.closest("[data-amend]") : null;
    if (form instanceof HTMLFormElement) amend(form);
  });
  if (settled()) link.say("done", "complete");
  else link.connect();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of drawn.values()) chart.text = ""; // in the other colours
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

/** @param {string} job @param {HTMLButtonElement} button @param {() => void} expect */
async function act(job, button, expect) {
  const what = button.dataset.act ?? "";
  if (what === "delete" && !(await sure())) return;
  button.disabled = true;
  byId("act-problem").hidden = true;
  const [method, path] = what === "delete" ? ["DELETE", ""] : ["POST", `/${what}`];
  const answer = await fetch(`/v1/jobs/${job}${path}`, { method, headers: CSRF }).catch(() => null);
  button.disabled = false;
  if (!answer?.ok) {
    const problem = await answer?.json().catch(() => null);
    byId("act-problem").textContent = problem?.detail ?? "The service cannot be reached.";
    return void (byId("act-problem").hidden = false);
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
  const { detail, errors = [] } = found?.title ? found : NO_ANSWER;
  problem.querySelector("p").textContent = errors.length ? "" : detail;
  problem.querySelector("ul").replaceChildren(...errors.map((fault) => element("li", {}, fault.detail)));
  problem.hidden = false;
}

/** @returns {Promise<boolean>} */
function sure() {
  const dialog = byId("sure");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((decided) =>
    dialog.addEventListener("close", () => decided(dialog.returnValue === "yes"), { once: true }),
  );
}

// ---------------------------------------------------------------------------------------------- all jobs

function startJobs() {
  const renew = paced(async () => void (await renewPart("list")));
  new Link("/v1/stream", renew, () => false).connect();
  startForm(byId("new"));
}

/** @param {HTMLFormElement} form */
function startForm(form) {
  byId("file").addEventListener("change", () => showFile(form));
  form.addEventListener("input", () => showNeeds(form));
  byId("more-email").addEventListener("click", addEmail);
  startDrop(byId("file"));
  startUpload(form);
  if (byId("file").files.length) showFile(form); // the browser kept it over a reload
}

function addEmail() {
  const [first] = byId("emails").children;
  const another = /** @type {HTMLInputElement} */ (first.cloneNode());
  Object.assign(another, { value: "", id: `email-${byId("emails").children.length}` });
  another.setAttribute("aria-label", "Another e-mail address");
  byId("emails").append(another);
  another.focus();
}

/** The whole page takes a dropped file. @param {HTMLInputElement} file */
function startDrop(file) {
  const over = (/** @type {DragEvent} */ event, /** @type {boolean} */ is) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", is);
  };
  addEventListener("dragover", (event) => over(event, true));
  addEventListener("dragleave", (event) => over(event, event.relatedTarget !== null));
  addEventListener("drop", (event) => {
    over(event, false);
    if (!event.dataTransfer?.files.length) return;
    file.files = event.dataTransfer.files;
    file.dispatchEvent(new Event("change"));
  });
}

// ---------------------------------------------------------------------------------------------- the file

/** The header as far as a look at it tells; the service decides. @type {string[]} */
let columns = [];

/** @param {HTMLFormElement} form */
async function showFile(form) {
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
function showNeeds(form) {
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

// ---------------------------------------------------------------------------------------------- sending it

/** @param {HTMLFormElement} form @returns {HTMLInputElement|null} */
const chosen = (form) => form.querySelector("input[name=kind]:checked");

/** The chosen kind's parameters; one of the wrong type goes as it is. @param {HTMLFormElement} form */
function answers(form) {
  /** @type {Record<string, unknown>} */
  const given = {};
  const fields = chosen(form)?.closest(".kind")?.querySelectorAll("[data-param]") ?? [];
  for (const field of /** @type {Iterable<HTMLInputElement>} */ (fields)) {
    const value = typed(field);
    if (value !== undefined) given[field.dataset.param ?? ""] = value;
  }
  return given;
}

/** Whether the answers spare a table. @param {HTMLFormElement} form */
function standIn(form) {
  /** @type {string[]} */
  const names = JSON.parse(chosen(form)?.dataset.standsIn ?? "[]");
  const given = answers(form);
  return names.length > 0 && names.every((name) => given[name] !== undefined);
}

/** @param {HTMLInputElement} field @returns {unknown} */
function typed(field) {
  const { type } = field.dataset;
  if (type === "boolean") return field.checked;
  const text = field.value.trim() || (field.tagName === "SELECT" ? field.value : "");
  if (!text) return undefined;
  if (type === "array") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  return (type === "number" || type === "integer") && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** @param {HTMLFormElement} form @returns {FormData} */
function submission(form) {
  const data = new FormData();
  data.set("kind", chosen(form)?.value ?? "");
  data.set("params", JSON.stringify(answers(form)));
  data.set("priority", byId("priority").value);
  for (const { value } of byId("emails").children) if (value.trim()) data.append("email", value.trim());
  const [file] = byId("file").files;
  if (file) data.set("file", file, file.name); // last, so that all else is known when it streams by
  return data;
}

/** @returns {string} */
const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** @param {HTMLFormElement} form */
function startUpload(form) {
  /** @type {XMLHttpRequest|null} */
  let request = null;
  let key = newKey(); // the same for as long as the same is asked, so that a lost answer starts nothing twice
  const end = (/** @type {() => void} */ then) => () => {
    if (request?.status) key = newKey();
    request = null;
    byId("upload").hidden = true;
    byId("start").disabled = false;
    then();
  };
  form.addEventListener("input", () => (key = newKey()));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearProblem(form);
    if (!byId("file").files.length && !standIn(form)) return showProblem(form, NO_FILE);
    const sent = (request = send(submission(form), key));
    sent.onload = end(() => settle(form, sent));
    sent.onerror = end(() => showProblem(form, NO_ANSWER));
    sent.onabort = end(() => announce("The upload was cancelled."));
  });
  byId("upload-cancel").addEventListener("click", () => request?.abort());
  addEventListener("beforeunload", (event) => request && event.preventDefault());
}

const NO_FILE = {
  title: "There is no file yet",
  detail: "",
  errors: [{ code: "no_file", detail: "Choose the table first.", pointer: "/file" }],
};
const NO_ANSWER = {
  title: "The upload broke off",
  detail: "The service cannot be reached, or it closed the connection. Nothing was started; try it again.",
};

/** @param {FormData} data @param {string} key @returns {XMLHttpRequest} */
function send(data, key) {
  const request = new XMLHttpRequest();
  const began = performance.now();
  request.open("POST", "/v1/jobs");
  request.responseType = "json";
  for (const [name, value] of Object.entries({ ...CSRF, "Idempotency-Key": key })) request.setRequestHeader(name, value);
  request.upload.onprogress = (event) => showUpload(event.loaded, event.total, (performance.now() - began) / 1000);
  byId("upload").hidden = false;
  byId("start").disabled = true;
  showUpload(0, 0, 0);
  request.send(data);
  return request;
}

/** @param {number} done @param {number} total @param {number} seconds */
function showUpload(done, total, seconds) {
  byId("upload-bar").value = total ? done / total : 0;
  const rate = seconds > 0.2 ? done / seconds : 0;
  const left = rate ? `, ${duration((total - done) / rate)} left` : "";
  const words = total && done >= total ? "Looking at the table" : `${size(done)} of ${size(total)} sent`;
  byId("upload-says").textContent = words + (rate && done < total ? ` at ${size(rate)}/s${left}` : "");
  if (total) announce(`${Math.floor((4 * done) / total) * 25} % sent`);
}

/** @param {HTMLFormElement} form @param {XMLHttpRequest} sent */
function settle(form, { status, response }) {
  if (status < 300 && response?.id) location.assign(`/jobs/${response.id}`);
  else showProblem(form, response?.title ? response : NO_ANSWER);
}

// ---------------------------------------------------------------------------------------------- problems

/** @param {HTMLFormElement} form */
function clearProblem(form) {
  byId("problem").hidden = true;
  for (const words of form.querySelectorAll(".fault")) words.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

/** Say it above the form, and beside each field meant. @param {HTMLFormElement} form @param {Problem} problem */
function showProblem(form, problem) {
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
  const control = controlAt(form, fault.pointer ?? "");
  if (!control) return words;
  const id = `fault-${at}`;
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-errormessage", id);
  control.closest("details")?.setAttribute("open", "");
  control.closest("[data-pointer]")?.append(element("p", { class: "fault", id }, words));
  const link = element("a", { href: `#${control.id}` }, words);
  link.addEventListener("click", (event) => (event.preventDefault(), control.focus()));
  return link;
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

// ---------------------------------------------------------------------------------------------- start

localise(document);
const page = byId("main");
if (page.dataset.page === "job") startJob(page);
if (page.dataset.page === "jobs") startJobs();
