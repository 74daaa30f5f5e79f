import { parentPort, workerData } from "node:worker_threads";
import { defined } from "#lib/util/assert.ts";
import type { ToComposer } from "./composer-thread.ts";
import { type ComposeResult, LogComposer } from "./log-composer.ts";
import type { PublisherSettings } from "./object-publisher.ts";
import { NodeSyncFiles } from "./sync-files.ts";

// The thread that makes a store's logs. Entry point of a worker; see composer-thread.ts.

const port = defined(parentPort, "the thread's parent");
const settings: PublisherSettings = workerData;
const composer = new LogComposer(new NodeSyncFiles(), settings);

port.on("message", (message: ToComposer) => {
  if (message.kind === "close") port.close();
  else if (message.kind === "forget") composer.forget(message.folders);
  else port.postMessage(composer.compose(message.requests) satisfies readonly ComposeResult[]);
});
