// @ts-check
/**
 * Sends a large table so that it goes on where it broke off: by itself when the link was lost, and after a reload once
 * the same file is chosen again with the same settings. It speaks tus 1.0.
 */

import { CSRF, NO_ANSWER } from "./calls.js";
import { isAsChosen } from "./file.js";
import { recall, remember } from "./memory.js";

/**
 * @typedef {import("./calls.js").Problem} Problem
 * @typedef {{
 *   onProgress: (done: number, total: number) => void,
 *   onWait: (seconds: number) => void,
 *   onJob: (path: string) => void,
 *   onProblem: (problem: Problem|null) => void,
 * }} Told
 */

const VERSION = { ...CSRF, "Tus-Resumable": "1.0.0" };
const WAITS = [0, 1, 2, 4, 8, 15, 15, 30, 30, 30, 60, 60, 60]; // seconds; from the first on again after each byte
const MOST = 3; // times that an upload is begun: it vanishes each time, and nobody says why
const MEMORY = "upload";

/** The link or the service is gone, perhaps for a moment. */
class Lost extends Error {}

class Refused extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** @param {FormData} data @param {File} file @param {Told} told @returns {{abort: () => void}} */
export function sendInParts(data, file, told) {
  const stop = new AbortController();
  const mark = identify(data, file);
  keepOn(mark, data, file, told, stop.signal).then(
    (job) => (forget(), told.onJob(job)),
    (failure) => {
      if (stop.signal.aborted) return;
      if (failure instanceof Refused) forget();
      told.onProblem(failure instanceof Refused ? failure.problem : null);
    },
  );
  return { abort: () => (stop.abort(), discard(mark)) };
}

/** What was begun in this browser and is not all there. @returns {Promise<{name: string, offset: number, length: number}|null>} */
export async function findUnfinished() {
  const { url, name } = remembered();
  if (!url) return null;
  const answer = await fetch(url);
  if (answer.status === 404) forget();
  if (!answer.ok) return null;
  const { offset, length, job } = await answer.json();
  return job ? (forget(), null) : { name, offset, length };
}

export const dropUnfinished = () => discard(remembered().mark);

/** The job's path, when all is there. @param {string} mark @param {FormData} data @param {File} file @param {Told} told
 * @param {AbortSignal} signal @returns {Promise<string>} */
async function keepOn(mark, data, file, told, signal) {
  let begun = 0;
  for (let tries = 0; ; tries += 1) {
    if (!(await isAsChosen(file))) throw new Lost();
    try {
      let place = await look(mark, signal);
      if (!place && (begun += 1) > MOST) throw new Refused(NO_ANSWER);
      place ??= await create(mark, data, file, signal);
      const moved = (/** @type {number} */ done) => ((tries = -1), told.onProgress(done, file.size));
      return place.job ?? (await send(place.url, file, place.offset, moved, signal));
    } catch (failure) {
      if (signal.aborted || failure instanceof Refused || tries + 1 >= WAITS.length) throw failure;
      const seconds = WAITS[tries + 1];
      if (seconds) told.onWait(seconds);
      await new Promise((then) => setTimeout(then, seconds * 1000));
    }
  }
}

/** @typedef {{url: string, offset: number, job: string|null}} Place */

/** How far the upload is that was begun before, if it was. @param {string} mark @param {AbortSignal} signal
 * @returns {Promise<Place|null>} */
async function look(mark, signal) {
  const url = known(mark);
  if (!url) return null;
  const answer = await fetch(url, { method: "HEAD", headers: VERSION, signal });
  if (answer.ok) return placeOf(url, answer);
  if (isPassing(answer.status)) throw new Lost();
  forget();
  return null;
}

/** @param {string} mark @param {FormData} data @param {File} file @param {AbortSignal} signal @returns {Promise<Place>} */
async function create(mark, data, file, signal) {
  const headers = { ...VERSION, "Upload-Length": String(file.size), "Upload-Metadata": metadata(data, file) };
  const answer = await fetch("/v1/uploads", { method: "POST", headers, signal });
  if (isPassing(answer.status)) throw new Lost();
  if (!answer.ok) throw new Refused(await answer.json().catch(() => NO_ANSWER));
  const url = answer.headers.get("Location") ?? "";
  remember(MEMORY, JSON.stringify({ mark, url, name: file.name }));
  return placeOf(url, answer);
}

/** @param {string} url @param {Response} answer @returns {Place} */
function placeOf(url, { headers }) {
  return { url, offset: Number(headers.get("Upload-Offset")), job: headers.get("Rowmill-Job") };
}

/** The rest of the file; the job's path at its end. @param {string} url @param {File} file @param {number} offset
 * @param {(done: number) => void} moved @param {AbortSignal} signal @returns {Promise<string>} */
function send(url, file, offset, moved, signal) {
  const request = new XMLHttpRequest(); // fetch does not tell how far it is
  request.open("PATCH", url);
  request.responseType = "json";
  const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
  for (const [name, value] of Object.entries({ ...VERSION, ...headers })) request.setRequestHeader(name, value);
  request.upload.onprogress = ({ loaded }) => loaded && moved(offset + loaded);
  signal.addEventListener("abort", () => request.abort());
  return new Promise((resolve, reject) => {
    request.onload = () => {
      const job = request.getResponseHeader("Rowmill-Job");
      if (request.status < 300 && job) resolve(job);
      else if (request.status < 300 || isPassing(request.status)) reject(new Lost());
      else reject(new Refused(request.response?.title ? request.response : NO_ANSWER));
    };
    request.onerror = request.onabort = () => reject(new Lost());
    request.send(file.slice(offset));
  });
}

/** Whether the same may go well in a while. @param {number} status */
const isPassing = (status) => status === 409 || status === 423 || status === 429 || status >= 500;

/** What is asked, as the protocol spells it. @param {FormData} data @param {File} file */
function metadata(data, file) {
  const pairs = [["filename", file.name]];
  for (const name of new Set(data.keys())) {
    if (name !== "file") pairs.push([name, data.getAll(name).join(",")]);
  }
  return pairs.map(([name, value]) => `${name} ${encode(value)}`).join(",");
}

/** Base64 of UTF-8. @param {string} text */
const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/** The same for the same file with the same settings. @param {FormData} data @param {File} file */
const identify = (data, file) => `${file.size} ${file.lastModified} ${metadata(data, file)}`;

/** What is remembered of the upload that was begun last. @returns {{mark: string, url?: string, name: string}} */
const remembered = () => JSON.parse(recall(MEMORY) ?? "{}");

/** @param {string} mark @returns {string|null} */
function known(mark) {
  const last = remembered();
  return last.mark === mark ? (last.url ?? null) : null;
}

const forget = () => remember(MEMORY, "{}");

/** @param {string} mark */
function discard(mark) {
  const url = known(mark);
  forget();
  if (url) fetch(url, { method: "DELETE", headers: VERSION }).catch(() => undefined);
}
