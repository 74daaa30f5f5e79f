import fc from "fast-check";
import { expect } from "vitest";
import { MIB } from "#lib/util/limits.ts";
import { mutated } from "./mutations.ts";

const RUNS = 600;
/** Many times the runs: `FUZZ_FACTOR=50 npx vitest run test/fuzz --testTimeout 600000`. */
const FACTOR = Number(process.env["FUZZ_FACTOR"] ?? 1);
/** A decoder walks its input once or twice. Counted in CPU time, for a busy machine must not fail a test. */
const CPU_MS_MAX = 500;
/** Memory outside of the heap that one decoding may take beside its input: some decompress. */
const BUFFERS_MAX = 64 * MIB;

export interface HostileOptions {
  readonly sound: fc.Arbitrary<Uint8Array>;
  /** The typed errors that the decoder promises. */
  readonly errors: readonly (abstract new (
    ...args: never[]
  ) => Error)[];
  /** Makes checksums right again, so that changes reach what lies behind them. */
  readonly repair?: (bytes: Uint8Array) => Uint8Array;
  readonly runs?: number;
}

/** Changed input decodes or is refused with a promised error, soon and without much memory; sound input decodes. */
export function expectBounded(decode: (bytes: Uint8Array) => unknown, options: HostileOptions): void {
  const { sound, errors, repair, runs = RUNS } = options;
  fc.assert(
    fc.property(sound, (bytes) => void decode(bytes)),
    { numRuns: Math.min(50, runs) },
  );
  let refused = 0;
  const attempt = (bytes: Uint8Array): void => {
    const cpu = process.threadCpuUsage();
    const buffers = process.memoryUsage().arrayBuffers;
    try {
      decode(bytes);
    } catch (error) {
      refused += 1;
      if (!errors.some((type) => error instanceof type)) throw error;
    }
    const { user, system } = process.threadCpuUsage(cpu);
    expect((user + system) / 1_000).toBeLessThan(CPU_MS_MAX);
    expect(process.memoryUsage().arrayBuffers - buffers).toBeLessThan(BUFFERS_MAX);
  };
  fc.assert(
    fc.property(mutated(sound), (bytes) => {
      attempt(bytes);
      if (repair !== undefined) attempt(repair(bytes));
    }),
    { numRuns: runs * FACTOR, endOnFailure: true },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      attempt(noise);
      if (repair !== undefined) attempt(repair(noise));
    }),
    { numRuns: Math.ceil((runs * FACTOR) / 4), endOnFailure: true },
  );
  expect(refused, "nothing was refused: the changes do not reach the decoder").toBeGreaterThan(0);
}
