import type { Api } from "#lib/protocol/apis.ts";
import { KAFKA_VERSION } from "../clients/support/java.ts";
import { describe } from "../clients/support/suite.ts";
import { type Case, type CaseEnd, runCase } from "./cases.ts";
import { KafkaClasses, OLD_KAFKA_VERSION } from "./kafka-classes.ts";

/** How many cases are on their way to one JVM and back at once. */
const IN_FLIGHT = 64;
/** A broken version fails in most of its cases; a few of them say enough. */
const FAILURES_SHOWN_MAX = 5;

export interface Plan {
  readonly api: Api;
  readonly firstSeed: number;
  /** Cases for each version of request and of response, and for each side that writes first. */
  readonly cases: number;
}

export interface Tally {
  /** Cases by their end. */
  readonly ends: Readonly<Record<CaseEnd, number>>;
  /** Versions that were held against each version of Kafka: "4.3.1: 2-7". */
  readonly versions: readonly string[];
  readonly failures: readonly string[];
}

/** Both versions of Kafka's classes. */
export class Oracles implements AsyncDisposable {
  readonly all: readonly KafkaClasses[];

  private constructor(all: readonly KafkaClasses[]) {
    this.all = all;
  }

  static async start(): Promise<Oracles> {
    return new Oracles([await KafkaClasses.start(KAFKA_VERSION), await KafkaClasses.start(OLD_KAFKA_VERSION)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.all) await each[Symbol.asyncDispose]();
  }
}

/**
 * Holds every version of one API against the newest classes that have it; with `everywhere` against all that have it.
 * A version that nobody has counts as a failure: nothing here would have been checked.
 */
export async function checkApi(oracles: Oracles, plan: Plan, everywhere: boolean): Promise<Tally> {
  const tally = { ends: { same: 0, skipped: 0, refused: 0 }, versions: [] as string[], failures: [] as string[] };
  const { api } = plan;
  const { min, max } = api.versions;
  const uncovered = new Set(Array.from({ length: max - min + 1 }, (_, index) => min + index));
  for (const kafka of oracles.all) {
    const has = await kafka.versions(api.apiKey);
    const from = Math.max(min, has.min);
    const to = Math.min(max, has.max);
    const here = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
    const wanted = everywhere ? here : here.filter((version) => uncovered.has(version));
    for (const version of wanted) {
      uncovered.delete(version);
      for (const side of ["kafka", "ours"] as const) {
        for (const isResponse of [false, true]) {
          await runCases(kafka, { api, apiKey: api.apiKey, version, side, isResponse }, plan, tally);
        }
      }
    }
    if (wanted.length > 0) tally.versions.push(`${kafka.kafkaVersion}: ${wanted[0]}-${wanted.at(-1)}`);
  }
  for (const version of uncovered) tally.failures.push(`no Kafka here has ${api.name} v${version}`);
  return tally;
}

interface OpenTally {
  readonly ends: Record<CaseEnd, number>;
  readonly failures: string[];
}

async function runCases(kafka: KafkaClasses, kind: Omit<Case, "seed">, plan: Plan, tally: OpenTally): Promise<void> {
  const failures: string[] = [];
  const runOne = async (seed: number): Promise<void> => {
    try {
      tally.ends[await runCase(kafka, { ...kind, seed })] += 1;
    } catch (error) {
      failures.push(report(kafka, { ...kind, seed }, error));
    }
  };
  for (let done = 0; done < plan.cases; done += IN_FLIGHT) {
    const count = Math.min(IN_FLIGHT, plan.cases - done);
    await Promise.all(Array.from({ length: count }, (_, index) => runOne(plan.firstSeed + done + index)));
  }
  tally.failures.push(...failures.slice(0, FAILURES_SHOWN_MAX));
  const unseen = failures.length - FAILURES_SHOWN_MAX;
  if (unseen > 0) tally.failures.push(`and ${unseen} more of these`);
}

function report(kafka: KafkaClasses, one: Case, error: unknown): string {
  const replay = `node test/oracle/main.ts --api ${one.api.name} --api-version ${one.version}`;
  const flags = `--${one.isResponse ? "response" : "request"} --side ${one.side} --kafka ${kafka.kafkaVersion}`;
  return `${describe(error)}\n     replay: ${replay} ${flags} --seed ${one.seed}`;
}
