import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { InstanceConfig } from "#lib/coordinator/consumer-instance.ts";
import type { InstancePosition } from "#lib/coordinator/instance-command.ts";
import type { ViewedPartition } from "#lib/coordinator/shell/instance-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
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

/** Where to go on that has neither a position nor a committed offset, or whose position is gone. */
export async function resetPositions(
  lost: readonly Place[],
  config: InstanceConfig,
  call: Pick<InstanceCall, "runtime" | "signal">,
): Promise<readonly InstancePosition[]> {
  const [first] = lost;
  if (first === undefined) return [];
  const { autoOffsetReset: end, readCommitted } = config;
  if (end !== "none") return endPositions(lost, { end, readCommitted }, call);
  const message =
    `Partition ${first.partitionIndex} of ${first.topic.name} has no offset to go on from, and auto.offset.reset is ` +
    "none: say where by POST …/positions.";
  throw new HttpError({ status: 416, errorCode: 41601, message });
}

/** The first or the next offset of each. */
export async function endPositions(
  places: readonly Place[],
  at: { readonly end: "earliest" | "latest"; readonly readCommitted: boolean },
  { runtime, signal }: Pick<InstanceCall, "runtime" | "signal">,
): Promise<readonly InstancePosition[]> {
  const { end, readCommitted } = at;
  const spec = end === "earliest" ? { kind: end } : { kind: end, readCommitted };
  const queries = places.map(({ topic, partitionIndex }) => ({ topic: topic.placement, partitionIndex, spec }));
  const found = await runtime.broker.offsets.listOffsets(queries, signal);
  return places.map(({ topic, partitionIndex }, index) => {
    const { error, offset } = found[index] ?? { error: ErrorCode.UNKNOWN_SERVER_ERROR, offset: -1 };
    if (error !== ErrorCode.NONE) throw httpErrorOf(error);
    return { topicId: topic.topicId, partitionIndex, offset };
  });
}
