// @ts-check
/** The list of jobs: live, and as the address asks for it, so that it can be shared. */

import { startBulk } from "./bulk.js";
import { announce, byId } from "./elements.js";
import { startForm } from "./form.js";
import { Link, paced, renewPart } from "./link.js";

export function startJobs() {
  const renew = paced(async () => void (await renewPart("list")));
  new Link("/v1/stream", renew, () => false).connect();
  document.addEventListener("visibilitychange", () => document.hidden || renew()); // the session may be over
  startFilters(renew);
  startBulk(renew);
  startForm(byId("new"));
}

/** @param {() => void} renew */
function startFilters(renew) {
  const find = /** @type {HTMLFormElement} */ (byId("find"));
  find.addEventListener("input", () => go(asked(find), renew));
  find.addEventListener("submit", (event) => event.preventDefault());
  byId("list").addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const way = event.target instanceof Element ? event.target.closest("a[data-way]") : null;
    if (!(way instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", way.href);
    arrive(find, renew);
  });
  addEventListener("popstate", () => arrive(find, renew));
}

/** The address of the list that the form asks for, in the state that is looked at. @param {HTMLFormElement} find */
function asked(find) {
  const url = new URL(location.href);
  for (const [name, value] of new FormData(find)) {
    if (name === "state") continue; // the links know better
    if (value) url.searchParams.set(name, String(value));
    else url.searchParams.delete(name);
  }
  url.searchParams.delete("after");
  return url;
}

/** @param {URL} url @param {() => void} renew */
function go(url, renew) {
  history.replaceState(null, "", url);
  announce("Finding jobs.");
  renew();
}

/** The form shows what the address says. @param {HTMLFormElement} find @param {() => void} renew */
function arrive(find, renew) {
  const { searchParams } = new URL(location.href);
  for (const control of /** @type {Iterable<HTMLInputElement>} */ (find.querySelectorAll("[name]")))
    control.value = searchParams.get(control.name) ?? "";
  renew();
}
