import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { objectKey } from "#lib/util/branded.ts";
import { objectBytes } from "./kill-objects.ts";

// Puts objects into the store at argv[2] (store argv[3], identity argv[4]) as fast as it can, several at once, and
// prints each key when its put is answered, until it is killed. argv[5] tells its runs apart.
const [, , root = "", storeId, identity = "", run = ""] = process.argv;
const random = new SystemRandom();
const options = { root, random, logger: SILENT_LOGGER, owner: "broker-0" };
const store = await DirectoryObjectStore.open(options, { storeId: Number(storeId), identity });

async function putOneAfterAnother(lane: number): Promise<never> {
  for (let count = 0; ; count++) {
    const name = `wal/${run}/${lane}/${count}`;
    await store.putIfAbsent(objectKey(name), objectBytes(name), AbortSignal.timeout(60_000));
    process.stdout.write(`${name}\n`);
  }
}

await Promise.all([0, 1, 2, 3].map(putOneAfterAnother));
