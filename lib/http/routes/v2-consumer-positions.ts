import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { holderOf } from "#lib/coordinator/consumer-instance.ts";
import type { InstancePosition } from "#lib/coordinator/instance-command.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import {
  findInstanceOf,
  INSTANCE_REFUSALS,
  type InstanceCall,
  illegalState,
  instanceError,
  instanceParams,
  movedOn,
} from "../consumers/find-instance.ts";
import {
  clusterSeqOf,
  type NamedPartition,
  OFFSETS_EXAMPLE,
  offsetsBody,
  PARTITIONS_EXAMPLE,
  partitionsBody,
  withTopics,
} from "../consumers/instance-partitions.ts";
import { consumerBody, consumerExamples, OF_CONSUMERS } from "../consumers/request-types.ts";
import { endPositions } from "../consumers/reset-positions.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";

// Where a consumer instance goes on reading.

const PATH = "/consumers/{group}/instances/{instance}/positions";

const REFUSALS = {
  404: `${INSTANCE_REFUSALS[404]} 40401: there is no such topic; 40402: it has no such partition.`,
  409: "40903: a partition is not assigned to the instance.",
};

const seek = endpoint(
  {
    method: "post",
    path: PATH,
    ...OF_CONSUMERS,
    operationId: "seekTo",
    summary: "Go on at these offsets",
    params: instanceParams,
    body: consumerBody(offsetsBody),
    bodyExamples: consumerExamples(OFFSETS_EXAMPLE),
    answers: { 204: { description: "The next poll begins there" } },
    refusals: REFUSALS,
  },
  (call) =>
    seekTo(call, call.body.offsets, async (found) =>
      found.map(({ view, partition, offset }) => ({ topicId: view.topicId, partitionIndex: partition, offset })),
    ),
);

const seekToBeginning = seekToEndpoint({
  end: "earliest",
  path: `${PATH}/beginning`,
  operationId: "seekToBeginning",
  summary: "Go on at the first offsets that are left",
});

const seekToEnd = seekToEndpoint({
  end: "latest",
  path: `${PATH}/end`,
  operationId: "seekToEnd",
  summary: "Go on behind the last records",
});

function seekToEndpoint({
  end,
  ...spec
}: {
  readonly end: "earliest" | "latest";
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
}): Endpoint {
  return endpoint(
    {
      method: "post",
      ...OF_CONSUMERS,
      ...spec,
      params: instanceParams,
      body: consumerBody(partitionsBody),
      bodyExamples: consumerExamples(PARTITIONS_EXAMPLE),
      answers: { 204: { description: "The next poll begins there" } },
      refusals: REFUSALS,
    },
    (call) =>
      seekTo(call, call.body.partitions, (found, readCommitted) => {
        const places = found.map(({ view, partition }) => ({ topic: view, partitionIndex: partition }));
        return endPositions(places, { end, readCommitted }, call);
      }),
  );
}

export const V2_CONSUMER_POSITION_ROUTES: readonly Endpoint[] = [seek, seekToBeginning, seekToEnd];

type Found<T> = readonly (T & { readonly view: TopicView })[];

async function seekTo<T extends NamedPartition>(
  call: InstanceCall,
  named: readonly T[],
  resolve: (found: Found<T>, readCommitted: boolean) => Promise<readonly InstancePosition[]>,
): Promise<Record<never, never>> {
  const { params, runtime, signal } = call;
  const { instances } = runtime.broker.groups;
  const who = { groupId: params.group, instanceId: params.instance };
  for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
    const { config } = await findInstanceOf(call);
    const fault = await instances.beat(who, { givesUp: false }, signal);
    if (fault !== undefined) throw instanceError(fault.error, params, fault.message);
    const found = await withTopics(named, call);
    const positions = await resolve(found, config.readCommitted);
    const { assigned } = await findInstanceOf(call);
    const isHeld = holderOf(assigned);
    for (const { view, topic, partition } of found) {
      if (!isHeld(view.topicId, partition))
        throw illegalState(`no current assignment for partition ${topic}-${partition}`);
    }
    const clusterSeq = clusterSeqOf(found.map(({ view }) => view));
    const result = await instances.seek(who, { positions, clusterSeq }, signal);
    if (result === "done") return {};
    if (typeof result === "number") throw instanceError(result, params);
    if (result === "stale-view") await runtime.broker.cluster.refresh(signal);
  }
  throw movedOn();
}
