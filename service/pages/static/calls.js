// @ts-check
/** What every call of the page to the service has in common. */

/**
 * @typedef {{code: string, detail: string, pointer?: string|null, line?: number|null, column?: string|null}} Fault
 * @typedef {{title: string, detail: string, errors?: Fault[]}} Problem
 */

export const CSRF = { "X-CSRF-Token": document.querySelector("meta[name=csrf]")?.getAttribute("content") ?? "" };

/** @returns {string} */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** @type {Problem} */
export const NO_ANSWER = {
  title: "The upload broke off",
  detail: "The service cannot be reached, or it closed the connection. Nothing was started; try it again.",
};
