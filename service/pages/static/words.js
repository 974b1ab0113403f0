// @ts-check
/** How the page says sizes, spans and times. */

/** @param {number} count @returns {string} */
export function size(count) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (count >= 1024 && power < units.length - 1) [count, power] = [count / 1024, power + 1];
  return `${power ? count.toFixed(1) : count} ${units[power]}`;
}

/** @param {number} seconds @returns {string} */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Say times in the reader's own zone. @param {ParentNode} where */
export function localise(where) {
  for (const time of where.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(/** @type {HTMLTimeElement} */ (time).dateTime);
    time.setAttribute("title", at.toISOString());
    const today = at.toDateString() === new Date().toDateString();
    const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    time.textContent = today ? clock : `${at.toLocaleDateString([], { dateStyle: "medium" })}, ${clock}`;
  }
}
