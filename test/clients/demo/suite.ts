import { deepEqual, equal, ok } from "node:assert/strict";
import type { Suite } from "../support/suite.ts";
import { type MainJobResult, runMainJob } from "./main-job.ts";
import { printTable } from "./table.ts";

const KILLS = 1;
const NIGHTLY_KILLS = 5;

export const demoSuite: Suite = {
  name: "demo",
  budgetMinutes: 3,
  what: "the main job: a real data set, two producers, kill -9 in the middle, nothing lost",
  async run(facts, { target, isNightly }) {
    const kills = isNightly ? NIGHTLY_KILLS : KILLS;
    let result: MainJobResult | undefined;
    await facts.check("both producers get every record acknowledged across kill -9", async () => {
      result = await runMainJob({ target, kills });
      printTable(result);
      equal(result.kills, kills);
    });
    for (const { producer, reader, difference } of result?.comparisons ?? []) {
      await facts.check(`sent with ${producer}, read with ${reader}: the same records in the same order`, async () => {
        const nothing = { lost: 0, duplicated: 0, reordered: 0, astray: 0, gaps: 0 };
        deepEqual(difference, { records: result?.sent, ...nothing });
      });
    }
    for (const [producer, batches] of result?.batches ?? []) {
      await facts.check(`${producer} stored batches in all codecs`, async () => {
        for (const [codec, count] of batches) ok(count > 0, codec);
      });
    }
  },
};
