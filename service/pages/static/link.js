// @ts-check
/** Keeps a page live: a websocket says that something changed, and the page is fetched again. */

import { byId } from "./elements.js";
import { morph } from "./morph.js";
import { localise } from "./words.js";

/**
 * Do *work* one at a time, and with a pause that grows with it: a slow server is asked less often.
 * @param {() => Promise<void>} work
 * @returns {() => void}
 */
export function paced(work) {
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
export class Link {
  /** @param {string} path @param {() => void} renew @param {() => boolean} settled */
  constructor(path, renew, settled) {
    this.url = location.origin.replace(/^http/, "ws") + path;
    this.renew = renew;
    this.settled = settled;
    this.tries = this.since = 0;
    this.open = false;
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

/** Whether somebody logs out in this tab: the form leads on by itself, and would be overtaken. */
let leaving = false;
addEventListener("submit", ({ target }) => void (leaving = target instanceof Element && target.matches(".leave")));
addEventListener("pageshow", () => void (leaving = false));

/** @param {string} id The part of the page to bring up to date. @returns {Promise<Response>} */
export async function renewPart(id) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (answer.redirected && new URL(answer.url).pathname === "/login") {
    if (!leaving) location.assign(answer.url); // the session is over
    return answer;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [now, next] = [byId(id), fresh.getElementById(id)];
  if (!now || !next) return answer;
  morph(now, next);
  localise(now);
  document.title = fresh.title;
  return answer;
}
