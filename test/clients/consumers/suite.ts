import { deepEqual, ok } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { Broker } from "../support/broker.ts";
import { provideKcat } from "../support/provision.ts";
import type { Suite } from "../support/suite.ts";
import {
  checkCommits,
  checkNothingLost,
  checkNothingSkipped,
  checkOneOwner,
  checkOwnersReturn,
  gapsOf,
  redeliveriesOf,
} from "./checks.ts";
import type { History } from "./history.ts";
import { planOf } from "./plan.ts";
import { changesOf, type RunResult, runConsumers } from "./run.ts";

const DURATION_MS = 30_000;
const NIGHTLY_DURATION_MS = 120_000;
const SEED = 5;

export const consumersSuite: Suite = {
  name: "consumers",
  budgetMinutes: 2,
  nightlyBudgetMinutes: 4,
  what: "ten consumers of one group join, leave and are killed under load",
  async run(facts, { target, isNightly }) {
    await provideKcat();
    const { CONSUMERS_SEED, CONSUMERS_SECONDS, CONSUMERS_HISTORY } = process.env;
    const seed = Number(CONSUMERS_SEED ?? SEED);
    const durationMs = CONSUMERS_SECONDS === undefined ? undefined : Number(CONSUMERS_SECONDS) * 1_000;
    const runMs = durationMs ?? (isNightly ? NIGHTLY_DURATION_MS : DURATION_MS);
    const plan = planOf(seed, runMs);
    console.log(`${runMs / 1_000} s by the plan of CONSUMERS_SEED=${seed}`);
    await using broker = await Broker.start(target);
    const result = await runConsumers({ broker, plan, durationMs: runMs });
    const { history, produced, rogue } = result;
    if (CONSUMERS_HISTORY !== undefined) writeFileSync(CONSUMERS_HISTORY, JSON.stringify(result));
    printTable(result, plan);
    const holds = async (fact: string, findings: readonly string[]): Promise<void> =>
      await facts.check(fact, async () =>
        deepEqual(findings.slice(0, 5), [], `${findings.length}: ${findings.slice(0, 5).join("; ")}`),
      );
    await holds("every record is delivered, and as it was sent", checkNothingLost(history, produced));
    await holds("no partition is delivered to two owners at once", checkOneOwner(history));
    await holds("a new owner begins at what is committed, and skips nothing", checkNothingSkipped(history));
    await holds("committed offsets never go back", checkCommits(history));
    await holds("every partition has an owner again in time", checkOwnersReturn(history));
    await facts.check("no consumer ends by itself", async () => {
      const ended = history.members.filter(({ ending }) => ending === "unasked").map(({ name }) => name);
      deepEqual(ended, []);
    });
    await facts.check("a consumer that ignores its assignment is found", async () => {
      const withRogue: History = { ...history, members: [...history.members, rogue] };
      ok(checkOneOwner(withRogue).some((finding) => finding.includes("rogue")));
    });
  },
};

function printTable({ history, produced }: RunResult, plan: ReturnType<typeof planOf>): void {
  const longestMs = Math.max(0, ...gapsOf(history).map(({ fromMs, toMs }) => toMs - fromMs));
  const rows: readonly (readonly [string, string | number])[] = [
    ["joins", changesOf(plan, "join")],
    ["leaves", changesOf(plan, "leave")],
    ["kills", changesOf(plan, "kill")],
    ["records", produced.toLocaleString("en")],
    ["redeliveries", redeliveriesOf(history).toLocaleString("en")],
    ["longest without owner", `${(longestMs / 1_000).toFixed(1)} s`],
  ];
  console.log(`\n${rows.map(([name, value]) => `${name.padEnd(22)} ${String(value).padStart(8)}`).join("\n")}\n`);
}
