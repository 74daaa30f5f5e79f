import { setMaxListeners } from "node:events";

/**
 * An AbortController whose signal any number of waits may listen to at once. Node 20 takes more than ten listeners for
 * forgotten ones and says so on stderr.
 */
export function sharedAbortController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
