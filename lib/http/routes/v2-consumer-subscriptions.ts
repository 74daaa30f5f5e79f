import { z } from "zod";
import type { InstanceSubscription } from "#lib/coordinator/consumer-instance.ts";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import { isTopicRegex } from "#lib/coordinator/topic-regex.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import { GROUP_ATTEMPTS_MAX, GROUP_MEMBER_BYTES_MAX, INSTANCE_PARTITIONS_MAX } from "#lib/util/limits.ts";
import { requireAccess, topicResource } from "../access.ts";
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
  assignmentOfPartitions,
  clusterSeqOf,
  namedPartitions,
  PARTITIONS_EXAMPLE,
  partitionsBody,
  withTopics,
} from "../consumers/instance-partitions.ts";
import { consumerBody, consumerExamples, OF_CONSUMERS } from "../consumers/request-types.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";

// What a consumer instance reads: topics or a pattern, of which its group gives it partitions, or partitions by hand.

const SUBSCRIPTION_PATH = "/consumers/{group}/instances/{instance}/subscription";
const ASSIGNMENTS_PATH = "/consumers/{group}/instances/{instance}/assignments";
const EXCLUSIVE = "Subscription to topics, partitions and pattern are mutually exclusive";

const EXCLUSIVE_REFUSALS = {
  ...INSTANCE_REFUSALS,
  409: "40903: it has a subscription of another kind; give that up first (DELETE …/subscription).",
};

/** A group would refuse its member, and keep the instance with all these names. */
function fitMember(topics: readonly string[]): boolean {
  return topics.reduce((sum, { length }) => sum + length, 0) <= GROUP_MEMBER_BYTES_MAX;
}

const subscriptionBody = z
  .strictObject({
    topics: z
      .array(z.string().min(1))
      .max(INSTANCE_PARTITIONS_MAX)
      .refine(fitMember, `expected topics with names of ${GROUP_MEMBER_BYTES_MAX} characters together at most`)
      .nullish(),
    topic_pattern: z
      .string()
      .min(1)
      .refine(isTopicRegex, "expected a regular expression in RE2's syntax")
      .nullish()
      .meta({ description: "A regular expression in RE2's syntax that whole names of topics match." }),
  })
  .refine(({ topics, topic_pattern: pattern }) => (topics ?? undefined) !== undefined || (pattern ?? "") !== "", {
    message: "expected topics or topic_pattern",
  })
  .meta({ id: "V2Subscription" });

const subscribe = endpoint(
  {
    method: "post",
    path: SUBSCRIPTION_PATH,
    ...OF_CONSUMERS,
    operationId: "subscribeConsumer",
    summary: "Subscribe to topics",
    description:
      "In the place of the topics that it had. Its group, which it shares with other instances and with Kafka consumers, " +
      "gives it partitions of them.",
    params: instanceParams,
    body: consumerBody(subscriptionBody),
    bodyExamples: consumerExamples({ topics: ["orders"] }),
    answers: { 204: { description: "Subscribed" } },
    refusals: EXCLUSIVE_REFUSALS,
  },
  async (call) => {
    const { topics, topic_pattern: pattern } = call.body;
    const names = topics ?? [];
    const isBoth = names.length > 0 && typeof pattern === "string";
    for (const name of names) requireAccess(call.principal, "read", topicResource(name));
    const view = await findInstanceOf(call);
    if (isBoth) throw illegalState(EXCLUSIVE);
    const subscription: InstanceSubscription =
      typeof pattern === "string"
        ? { kind: "pattern", regex: pattern }
        : { kind: "topics", topicNames: [...new Set(names)].sort() };
    // No topics at all are none, as in Kafka.
    const isNothing = subscription.kind === "topics" && names.length === 0;
    await change(call, view, async () => ({
      subscription: isNothing ? { kind: "none" } : subscription,
      clusterSeq: 0,
    }));
    if (!isNothing) await join(call);
    return {};
  },
);

const showSubscription = endpoint(
  {
    method: "get",
    path: SUBSCRIPTION_PATH,
    ...OF_CONSUMERS,
    operationId: "showSubscription",
    summary: "The topics that an instance subscribes to",
    params: instanceParams,
    answers: {
      200: {
        description: "Of a pattern: the topics that match it now, as far as the key may see them.",
        schema: z.object({ topics: z.array(z.string()) }).meta({ id: "V2SubscribedTopics" }),
        example: { topics: ["orders"] },
      },
    },
    refusals: INSTANCE_REFUSALS,
  },
  async (call) => {
    const { topicNames } = await findInstanceOf(call);
    // A pattern matches whatever there is.
    return { value: { topics: topicNames.filter((name) => call.principal.may("describe", topicResource(name))) } };
  },
);

const unsubscribe = endpoint(
  {
    method: "delete",
    path: SUBSCRIPTION_PATH,
    ...OF_CONSUMERS,
    operationId: "unsubscribeConsumer",
    summary: "Give up what an instance reads",
    description: "Topics and partitions alike. With `auto.commit.enable` what it has delivered is committed.",
    params: instanceParams,
    answers: { 204: { description: "Given up" } },
    refusals: INSTANCE_REFUSALS,
  },
  async (call) => {
    const view = await findInstanceOf(call);
    await change(call, view, async () => ({ subscription: { kind: "none" }, clusterSeq: 0 }));
    return {};
  },
);

const assign = endpoint(
  {
    method: "post",
    path: ASSIGNMENTS_PATH,
    ...OF_CONSUMERS,
    operationId: "assignPartitions",
    summary: "Assign partitions by hand",
    description: "In the place of those that it had. It is no member of its group then, whose offsets it may commit.",
    params: instanceParams,
    body: consumerBody(partitionsBody),
    bodyExamples: consumerExamples(PARTITIONS_EXAMPLE),
    answers: { 204: { description: "Assigned" } },
    refusals: {
      ...EXCLUSIVE_REFUSALS,
      404: `${INSTANCE_REFUSALS[404]} 40401: there is no such topic; 40402: it has no such partition.`,
    },
  },
  async (call) => {
    const view = await findInstanceOf(call);
    const { partitions } = call.body;
    await change(call, view, async () => {
      const found = await withTopics(partitions, call);
      const assigned = assignmentOfPartitions(found);
      const clusterSeq = clusterSeqOf(found.map((each) => each.view));
      const subscription: InstanceSubscription =
        assigned.size === 0 ? { kind: "none" } : { kind: "partitions", partitions: assigned };
      return { subscription, clusterSeq };
    });
    return {};
  },
);

const showAssignments = endpoint(
  {
    method: "get",
    path: ASSIGNMENTS_PATH,
    ...OF_CONSUMERS,
    operationId: "showAssignments",
    summary: "The partitions that an instance reads",
    params: instanceParams,
    answers: {
      200: {
        description: "By hand or by its group, as far as the key may see them.",
        schema: partitionsBody,
        example: PARTITIONS_EXAMPLE,
      },
    },
    refusals: INSTANCE_REFUSALS,
  },
  async (call) => {
    const { assigned } = await findInstanceOf(call);
    return { value: { partitions: await namedPartitions(assigned, "describe", call) } };
  },
);

export const V2_CONSUMER_SUBSCRIPTION_ROUTES: readonly Endpoint[] = [
  subscribe,
  showSubscription,
  unsubscribe,
  assign,
  showAssignments,
];

interface Wanted {
  readonly subscription: InstanceSubscription;
  readonly clusterSeq: JournalSeq;
}

/** Gives the instance another subscription. `resolve` is called again when topics of its view may be gone. */
async function change(call: InstanceCall, seen: InstanceView, resolve: () => Promise<Wanted>): Promise<void> {
  const { params, runtime, signal } = call;
  const { instances } = runtime.broker.groups;
  let view = seen;
  for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
    const wanted = await resolve();
    const [from, to] = [view.subscription.kind, wanted.subscription.kind];
    if (from !== "none" && to !== "none" && from !== to) throw illegalState(EXCLUSIVE);
    const result = await instances.subscribe(view, wanted, signal);
    if (result === "done") return;
    if (typeof result === "number") throw instanceError(result, params);
    if (result === "stale-view") await runtime.broker.cluster.refresh(signal);
    view = await findInstanceOf(call);
  }
  throw movedOn();
}

/** Makes it a member at once, so that its group begins to share. */
async function join({ params, runtime, signal }: InstanceCall): Promise<void> {
  const who = { groupId: params.group, instanceId: params.instance };
  const fault = await runtime.broker.groups.instances.beat(who, { givesUp: false }, signal);
  if (fault !== undefined) throw instanceError(fault.error, params, fault.message);
}
