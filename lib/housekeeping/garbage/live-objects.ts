import type { LogSegment, LogState } from "#lib/log/log-state.ts";
import { segmentFiles } from "#lib/log/segments.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { ObjectKey } from "#lib/util/branded.ts";

/** Entries and segments that are looked at in one turn of the event loop. */
const LOOKS_PER_TURN = 10_000;

/** The objects that log journals refer to. */
export class LiveObjects {
  readonly #objects = new Set<ObjectKey>();
  /** By directory, whose text is the state's own: a text for each file would be the most of what this takes. */
  readonly #segments = new Map<string, LogSegment[]>();

  /**
   * Takes in what `state` refers to. Not in one turn, and the fold may go on meanwhile: once a journal has retired an upload
   * epoch, what it refers to of that epoch only becomes less, and never moves between partitions.
   */
  async collect(state: LogState, clock: Pick<Clock, "endOfTurn">): Promise<void> {
    let count = 0;
    for (const { entries, segments } of [...state.partitions.values()]) {
      for (const { place } of entries) if (place.kind === "object") this.#objects.add(place.key);
      for (const segment of segments) this.#addSegment(segment);
      count += entries.length + segments.length;
      if (count < LOOKS_PER_TURN) continue;
      count = 0;
      await clock.endOfTurn();
    }
  }

  has(key: ObjectKey): boolean {
    if (this.#objects.has(key)) return true;
    const segments = this.#segments.get(key.slice(0, key.lastIndexOf("/")));
    return segments?.some((segment) => segmentFiles(segment).some((file) => file.key === key)) ?? false;
  }

  #addSegment(segment: LogSegment): void {
    const known = this.#segments.get(segment.directory);
    if (known === undefined) this.#segments.set(segment.directory, [segment]);
    else known.push(segment);
  }
}
