import { parentPort, workerData } from "node:worker_threads";
import { defined } from "#lib/util/assert.ts";
import { saveCompiledCode } from "../node/compiled-code.ts";
import { ObjectPublisher, type PublisherSettings } from "./object-publisher.ts";
import type { FromWorker, ToWorker } from "./publisher-thread.ts";
import { NodeSyncFiles } from "./sync-files.ts";

// The thread that publishes a store's objects. Entry point of a worker; see publisher-thread.ts.

const port = defined(parentPort, "the thread's parent");
const settings: PublisherSettings = workerData;
const publisher = new ObjectPublisher(new NodeSyncFiles(), settings);
saveCompiledCode();

port.on("message", (message: ToWorker) => {
  if (message.kind === "close") port.close();
  else if (message.kind === "forget") publisher.forget(message.folders);
  else {
    const answer: FromWorker = { batch: message.batch, results: publisher.publish(message.requests) };
    port.postMessage(answer);
  }
});
