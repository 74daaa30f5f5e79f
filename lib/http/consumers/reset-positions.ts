import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { InstanceConfig } from "#lib/coordinator/consumer-instance.ts";
import type { InstancePosition } from "#lib/coordinator/instance-command.ts";
import type { ViewedPartition } from "#lib/coordinator/shell/instance-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Offset } from "#lib/util/branded.ts";
import { httpErrorOf } from "../error-table.ts";
import { HttpError } from "../http-error.ts";
import type { InstanceCall } from "./find-instance.ts";

/** A partition that an instance may fetch from, with its topic. */
export interface PlacedPartition extends ViewedPartition {
  readonly topic: TopicView;
}

interface Place {
  readonly topic: TopicView;
  readonly partitionIndex: number;
}

type ResetCall = Pick<InstanceCall, "runtime" | "signal">;

export interface ResetPositions<P> {
  readonly positions: readonly InstancePosition[];
  /** Those of which nobody can say it now, with the reason. */
  readonly failed: ReadonlyMap<P, ErrorCode>;
}

/** Whether an error says that the topic is not there any more. */
export function isGone(error: ErrorCode): boolean {
  return error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || error === ErrorCode.UNKNOWN_TOPIC_ID;
}

/** Where to go on that has neither a position nor a committed offset, or whose position is gone. */
export async function resetPositions<P extends Place>(
  lost: readonly P[],
  config: InstanceConfig,
  call: ResetCall,
): Promise<ResetPositions<P>> {
  const [first] = lost;
  const failed = new Map<P, ErrorCode>();
  if (first === undefined) return { positions: [], failed };
  const { autoOffsetReset: end, readCommitted } = config;
  if (end === "none") throw nowhere(first);
  const found = await endsOf(lost, { end, readCommitted }, call);
  const positions = found.flatMap(({ place, error, offset }) => {
    if (error === ErrorCode.NONE) return [positionAt(place, offset)];
    failed.set(place, error);
    return [];
  });
  return { positions, failed };
}

/** The first or the next offset of each. */
export async function endPositions(
  places: readonly Place[],
  at: PartitionEnd,
  call: ResetCall,
): Promise<readonly InstancePosition[]> {
  return (await endsOf(places, at, call)).map(({ place, error, offset }) => {
    if (error !== ErrorCode.NONE) throw httpErrorOf(error);
    return positionAt(place, offset);
  });
}

interface PartitionEnd {
  readonly end: "earliest" | "latest";
  readonly readCommitted: boolean;
}

async function endsOf<P extends Place>(
  places: readonly P[],
  { end, readCommitted }: PartitionEnd,
  { runtime, signal }: ResetCall,
) {
  const spec = end === "earliest" ? { kind: end } : { kind: end, readCommitted };
  const queries = places.map(({ topic, partitionIndex }) => ({ topic: topic.placement, partitionIndex, spec }));
  const found = await runtime.broker.offsets.listOffsets(queries, signal);
  return places.map((place, index) => {
    const { error, offset } = found[index] ?? { error: ErrorCode.UNKNOWN_SERVER_ERROR, offset: -1 };
    return { place, error, offset };
  });
}

function positionAt({ topic, partitionIndex }: Place, offset: Offset): InstancePosition {
  return { topicId: topic.topicId, partitionIndex, offset };
}

function nowhere({ topic, partitionIndex }: Place): HttpError {
  const message =
    `Partition ${partitionIndex} of ${topic.name} has no offset to go on from, and auto.offset.reset is none: say where ` +
    "by POST …/positions.";
  return new HttpError({ status: 416, errorCode: 41601, message });
}
