import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { writeAheadKey } from "#lib/storage/object-keys.ts";
import { newStoreMarker } from "#lib/storage/store-marker.ts";
import { flushIdFromBytes } from "#lib/util/branded.ts";
import { syncDisks } from "../support/machine.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { microsPerOperation } from "../support/timing.ts";

const NEVER = new AbortController().signal;
const AT_ONCE = 4;
const OBJECT_BYTES = [8_192, 1_048_576, 8_388_608];
const WRITER_ID = "00000000000000aa";

/** Objects made durable in a directory, beside bare files that are written and synced. */
export const directoryStoreSuite: BenchSuite = {
  name: "directory-store",
  what: `objects put, ${AT_ONCE} at once, beside files with fdatasync and no rules about names (up to 6 GB of disk)`,
  async run({ isSmall, repeats, wants }) {
    const measured: Measured[] = [];
    for (const byteLength of OBJECT_BYTES) {
      const name = `put objects of ${byteLength} bytes; bare files`;
      if (!wants(name)) continue;
      const bytes = randomBytes(byteLength);
      const count = Math.max(AT_ONCE, Math.min(2_000, Math.floor((isSmall ? 8e6 : 5e8) / byteLength)));
      const how = { count, repeats };
      const ours = await inDirectory((root) => timePuts(root, bytes, how));
      const reference = await inDirectory((root) => timeFiles(root, bytes, how));
      measured.push({ name, unit: "us", better: "lower", ours, reference });
    }
    return measured;
  },
};

interface How {
  readonly count: number;
  readonly repeats: number;
}

async function inDirectory<T>(work: (root: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "millrace-bench-store-"));
  try {
    await syncDisks();
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function timePuts(root: string, bytes: Uint8Array, how: How): Promise<readonly number[]> {
  const options = { root: join(root, "store"), random: new SystemRandom(), logger: SILENT_LOGGER, owner: "bench-1" };
  await using store = await DirectoryObjectStore.create(options, newStoreMarker(0, randomBytes(16)));
  return await microsPerOperation(how, (count) =>
    severalAtOnce(count, async () => {
      const flushId = flushIdFromBytes(randomBytes(16));
      await store.putIfAbsent(writeAheadKey({ uploadEpoch: 1, writerId: WRITER_ID, flushId }), [bytes], NEVER);
    }),
  );
}

async function timeFiles(root: string, bytes: Uint8Array, how: How): Promise<readonly number[]> {
  let files = 0;
  return await microsPerOperation(how, (count) =>
    severalAtOnce(count, async () => {
      await using file = await open(join(root, `file-${files++}`), "wx");
      await file.writeFile(bytes);
      await file.datasync();
    }),
  );
}

async function severalAtOnce(count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
