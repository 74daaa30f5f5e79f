// What the consumers were given and said, in milliseconds of the clock that all processes of a machine share.

export interface Delivery {
  readonly kind: "delivery";
  readonly member: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
  readonly atMs: number;
  /** Whether each record was the one that the producer had put there. */
  readonly isWhole: boolean;
}

/** From here on the member owns exactly these partitions; none when it gives them back. */
export interface Ownership {
  readonly kind: "ownership";
  readonly member: string;
  readonly partitions: readonly number[];
  readonly atMs: number;
}

export type MemberEvent = Delivery | Ownership;

export interface Member {
  readonly name: string;
  /** When the signal was sent; what comes later by a killed member's pipe was delivered before. */
  endedAtMs: number | undefined;
  ending: "left" | "killed" | "unasked" | undefined;
  readonly events: MemberEvent[];
}

/** Committed offsets as OffsetFetch tells them; -1 for none. */
export interface CommitPoll {
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  /** By partition. */
  readonly offsets: readonly number[];
}

export interface History {
  readonly members: readonly Member[];
  readonly polls: readonly CommitPoll[];
  /** By partition, after the last record. */
  readonly logEnds: readonly number[];
  readonly endedAtMs: number;
}

/** Monotonic and the same in all processes of this machine. */
export const nowMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;
