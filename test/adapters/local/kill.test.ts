import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { newStoreMarker } from "#lib/storage/store-marker.ts";
import { objectKey } from "#lib/util/branded.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { ChildScript } from "./children.ts";
import { objectBytes } from "./kill-objects.ts";

// No time limit of its own: files share a process, and a limit from the load of this one would end under load.
const signal = new AbortController().signal;

test("after kill -9 every acknowledged object is whole, and no partial one is listed", async () => {
  const root = await mkdtemp(join(tmpdir(), "millrace-kill-"));
  const random = new SeededRandom(11);
  const options = { root, random, logger: SILENT_LOGGER, owner: "broker-0" };
  const marker = newStoreMarker(0, random.bytes(16));
  await DirectoryObjectStore.create({ ...options, owner: "broker-9" }, marker);
  const acknowledged = new Set<string>();
  for (let run = 0; run < 3; run++) {
    await using child = new ChildScript("put-child.ts", [root, "0", marker.identity, String(run)]);
    for (let count = 0; count < 40 + 25 * run; count++) acknowledged.add((await child.line()) ?? "ended");
    child.process.kill("SIGKILL");
    for (let line = await child.line(); line !== undefined; line = await child.line()) acknowledged.add(line);
  }
  const store = await DirectoryObjectStore.open(options, marker);
  expect(await readdir(join(root, "tmp~"))).toEqual([]);
  const { objects, isTruncated } = await store.list({ prefix: "wal/", startAfter: "", limit: 100_000 }, signal);
  expect(isTruncated).toBe(false);
  const listed = new Set<string>(objects.map((object) => object.key));
  expect([...acknowledged].filter((name) => !listed.has(name))).toEqual([]);
  for (const name of listed) {
    const bytes = await store.get(objectKey(name), signal);
    expect(Buffer.compare(bytes, Buffer.concat(objectBytes(name))), name).toBe(0);
  }
  await rm(root, { recursive: true });
});
