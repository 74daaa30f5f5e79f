import type { Target } from "./broker.ts";

export interface Suite {
  readonly name: string;
  /** What the suite may take on two cores; printed beside what it took. */
  readonly budgetMinutes: number;
  /** The same for a nightly run, if that is much more. */
  readonly nightlyBudgetMinutes?: number;
  /** Runs at night, or when it is named by `--only`: what it adds is not worth its minutes every time. */
  readonly isNightlyOnly?: boolean;
  readonly what: string;
  run(facts: Facts, context: SuiteContext): Promise<void>;
}

export interface SuiteContext {
  readonly target: Target;
  /** Longer inputs and more kills. */
  readonly isNightly: boolean;
}

/** A suite throws it when something it needs is neither here nor can be installed. */
export class SkippedError extends Error {
  override readonly name = "SkippedError";
}

/** Runs named facts one after another, prints a line for each and counts them. A fact that throws has failed. */
export class Facts {
  passed = 0;
  failed = 0;
  readonly #suite: string;
  readonly #filter: string | undefined;

  constructor(suite: string, filter?: string) {
    this.#suite = suite;
    this.#filter = filter;
  }

  async check(fact: string, body: () => Promise<void>): Promise<void> {
    if (this.#filter !== undefined && !fact.includes(this.#filter)) return;
    const startedAtMs = performance.now();
    try {
      await body();
      this.passed += 1;
      const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
      console.log(`ok   ${this.#suite}: ${fact} (${seconds} s)`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAIL ${this.#suite}: ${fact}: ${describe(error)}`);
    }
  }
}

/** One line of text for an error and the errors that it stands for. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const parts = [error.message];
  if (error instanceof AggregateError) parts.push(...error.errors.map(describe));
  if (error.cause !== undefined) parts.push(describe(error.cause));
  return parts
    .join("; ")
    .replaceAll(/\s*\n\s*/g, " | ")
    .slice(0, 600);
}
