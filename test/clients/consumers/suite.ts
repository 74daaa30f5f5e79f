import { deepEqual, ok } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { Broker } from "../support/broker.ts";
import { provideJava } from "../support/java.ts";
import { provideKcat } from "../support/provision.ts";
import { SHORT_SESSIONS } from "../support/short-sessions.ts";
import type { Facts, Suite } from "../support/suite.ts";
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
import { CASTS, type Cast, planOf } from "./plan.ts";
import { changesOf, type RunResult, runConsumers } from "./run.ts";

/** How long a cast is shaken; the first is the one that most clients in use are like. */
const DURATIONS_MS: Readonly<Record<string, { readonly always: number; readonly nightly: number }>> = {
  eager: { always: 30_000, nightly: 120_000 },
  cooperative: { always: 15_000, nightly: 60_000 },
  consumer: { always: 15_000, nightly: 60_000 },
};
const SEED = 5;

export const consumersSuite: Suite = {
  name: "consumers",
  budgetMinutes: 4,
  nightlyBudgetMinutes: 7,
  what: "ten consumers of one group join, leave and are killed under load: eager, cooperative and by KIP-848",
  async run(facts, { target, isNightly }) {
    await provideKcat();
    await provideJava();
    const { CONSUMERS_SEED, CONSUMERS_SECONDS, CONSUMERS_HISTORY, CONSUMERS_CAST } = process.env;
    const seed = Number(CONSUMERS_SEED ?? SEED);
    await using broker = await Broker.start(target, { configs: SHORT_SESSIONS });
    for (const cast of CASTS) {
      if (CONSUMERS_CAST !== undefined && CONSUMERS_CAST !== cast.name) continue;
      const usual = DURATIONS_MS[cast.name]?.[isNightly ? "nightly" : "always"] ?? 0;
      const durationMs = CONSUMERS_SECONDS === undefined ? usual : Number(CONSUMERS_SECONDS) * 1_000;
      const plan = planOf(cast, seed, durationMs);
      console.log(`${cast.name} (${cast.protocol}): ${durationMs / 1_000} s by the plan of CONSUMERS_SEED=${seed}`);
      const result = await runConsumers({ broker, cast, plan, durationMs });
      if (CONSUMERS_HISTORY !== undefined) writeFileSync(`${CONSUMERS_HISTORY}.${cast.name}`, JSON.stringify(result));
      printTable(result, plan);
      await checkRun(facts, cast, result);
    }
  },
};

async function checkRun(facts: Facts, cast: Cast, { history, produced, rogue }: RunResult): Promise<void> {
  const holds = async (fact: string, findings: readonly string[]): Promise<void> =>
    await facts.check(`${cast.name}: ${fact}`, async () =>
      deepEqual(findings.slice(0, 5), [], `${findings.length}: ${findings.slice(0, 5).join("; ")}`),
    );
  await holds("every record is delivered, and as it was sent", checkNothingLost(history, produced));
  await holds("no partition is delivered to two owners at once", checkOneOwner(history));
  await holds("a new owner begins at what is committed, and skips nothing", checkNothingSkipped(history));
  await holds("committed offsets never go back", checkCommits(history));
  await holds("every partition has an owner again in time", checkOwnersReturn(history));
  await holds(
    "no consumer ends by itself",
    history.members.filter(({ ending }) => ending === "unasked").map(({ name }) => name),
  );
  await facts.check(`${cast.name}: a consumer that ignores its assignment is found`, async () => {
    const withRogue: History = { ...history, members: [...history.members, rogue] };
    ok(checkOneOwner(withRogue).some((finding) => finding.includes("rogue")));
  });
}

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
