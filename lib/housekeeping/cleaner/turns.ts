import type { Clock } from "#lib/runtime/clock.ts";
import { CLEANER_RECORDS_PER_TURN } from "#lib/util/limits.ts";

/** Lets requests in between: looking at every record of a segment without a pause would hold them up for seconds. */
export class Turns {
  readonly #clock: Pick<Clock, "endOfTurn">;
  #recordCount = 0;

  constructor(clock: Pick<Clock, "endOfTurn">) {
    this.#clock = clock;
  }

  /** Whether so many records have been looked at since the last turn that it is to be ended. */
  add(recordCount: number): boolean {
    this.#recordCount += recordCount;
    return this.#recordCount >= CLEANER_RECORDS_PER_TURN;
  }

  async end(): Promise<void> {
    this.#recordCount = 0;
    await this.#clock.endOfTurn();
  }
}
