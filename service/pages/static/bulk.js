// @ts-check
/** Does something to all jobs that the list shows, after it has said how many they are. */

import { CSRF } from "./calls.js";
import { sure } from "./dialogs.js";
import { announce, byId } from "./elements.js";

/** @typedef {{matching: number, done: number, until: string, next: string|null}} Bulk */

/** What is asked before, and said after. @type {Record<string, {ask: string, says: string, yes: string, done: string}>} */
const WORDS = {
  cancel: { ask: "Cancel", says: "They stop, and keep their tables.", yes: "Cancel them", done: "cancelling" },
  retry: { ask: "Try again", says: "They are queued again.", yes: "Try again", done: "queued again" },
  delete: {
    ask: "Delete",
    says: "Their tables, results and logs are removed for good.",
    yes: "Delete them",
    done: "deleted",
  },
};

/** @param {() => void} renew */
export function startBulk(renew) {
  byId("bulk")?.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-bulk]") : null;
    if (!(button instanceof HTMLButtonElement)) return;
    byId("bulk").open = false;
    byId("bulk-problem").hidden = true;
    act(button.dataset.bulk ?? "", byId("list").dataset.asked)
      .then((said) => announce(said))
      .catch((error) => complain(error.message))
      .finally(renew);
  });
}

/** @param {string} action @param {string} asked @returns {Promise<string>} what became of it */
async function act(action, asked) {
  const words = WORDS[action];
  const address = `/v1/bulk?action=${action}${asked && `&${asked}`}`;
  const { matching, until } = await post(`${address}&dry_run=true`);
  if (!matching) throw new Error("There is no such job among these.");
  const title = `${words.ask} ${matching.toLocaleString("en")} ${matching === 1 ? "job" : "jobs"}?`;
  if (!(await sure({ title, says: words.says, no: "Leave them", yes: words.yes }))) return "Nothing was changed.";
  let done = 0;
  /** @type {string|null} */
  let next = `${address}&until=${encodeURIComponent(until)}`; // those that came meanwhile were not counted
  while (next) {
    const told = await post(next);
    [done, next] = [done + told.done, told.next];
  }
  return `${done.toLocaleString("en")} ${done === 1 ? "job" : "jobs"} ${words.done}.`;
}

/** @param {string} address @returns {Promise<Bulk>} */
async function post(address) {
  const answer = await fetch(address, { method: "POST", headers: CSRF }).catch(() => null);
  const told = await answer?.json().catch(() => null);
  if (!answer?.ok) throw new Error(told?.detail ?? "The service cannot be reached.");
  return told;
}

/** @param {string} words */
function complain(words) {
  byId("bulk-problem").textContent = words;
  byId("bulk-problem").hidden = false;
}
