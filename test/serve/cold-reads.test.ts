import { constants, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPageMemory } from "#lib/adapters/local/read-page-memory.ts";
import { isDirectPossible } from "../support/direct-io.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { ServeProcess, TemporaryDirectory } from "./serve-process.ts";

const VALUES = ["a", "b", "c"].map((letter) => letter.repeat(700_000));

/** Paths of the files that a process has open past the page cache. */
function openDirect(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .filter((descriptor) => {
      const flags = /^flags:\s+(?<octal>\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "latin1"));
      return (Number.parseInt(flags?.groups?.["octal"] ?? "0", 8) & constants.O_DIRECT) !== 0;
    })
    .map((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
}

test.runIf(readPageMemory() !== undefined && (await isDirectPossible()))(
  "a broker that starts anew reads what producers wrote past the page cache, and reads it right",
  async () => {
    using directory = new TemporaryDirectory();
    const dataDir = directory.file("data");
    {
      await using broker = await ServeProcess.start({ dataDir });
      await using connection = await broker.connect();
      await createTopic(connection, "t");
      for (const value of VALUES) await produce(connection, { topic: "t" }, batchOf([value]));
      await broker.stop();
    }
    await using broker = await ServeProcess.start({ dataDir });
    await using connection = await broker.connect();
    expect(await readAll(connection, "t")).toEqual(VALUES);
    const pid = Number(readFileSync(join(dataDir, "broker-0.pid"), "utf8"));
    expect(openDirect(pid)).toEqual(VALUES.map(() => expect.stringContaining(`${dataDir}/store-0/wal/`)));
    await broker.stop();
  },
  60_000,
);
