import { z } from "zod";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { groupResource, requireAccess, topicResource } from "../access.ts";
import { type Call, type Endpoint, endpoint } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";
import { HttpError } from "../http-error.ts";
import { partitionParam, topicParam } from "../parameters.ts";
import {
  type ConsumerGroupView,
  consumerOf,
  findGroup,
  type GroupConsumer,
  type GroupPartition,
} from "../v3-groups.ts";
import {
  clusterParams,
  EXAMPLE_URLS,
  eachOf,
  inCluster,
  listSchema,
  NO_CLUSTER,
  notFound,
  Related,
  resourceSchema,
  type V3Urls,
  v3Urls,
} from "../v3-resource.ts";

// Consumer groups and their members as the REST Proxy's v3 shows them. Any process coordinates every group, so that the
// coordinator is always the one that is asked.

const TAG = "consumer groups (v3)";
const KIND = "KafkaConsumerGroup";
const CONSUMER_KIND = "KafkaConsumer";
const ASSIGNMENT_KIND = "KafkaConsumerAssignment";
const GROUPS = "consumer-groups";

const Group = resourceSchema(KIND, {
  consumer_group_id: z.string(),
  is_simple: z.boolean(),
  partition_assignor: z.string(),
  state: z.string().meta({ examples: ["STABLE", "EMPTY", "PREPARING_REBALANCE"] }),
  coordinator: Related,
  consumers: Related,
  lag_summary: Related,
});
const Consumer = resourceSchema(CONSUMER_KIND, {
  consumer_group_id: z.string(),
  consumer_id: z.string(),
  instance_id: z.string().nullable(),
  client_id: z.string(),
  assignments: Related,
});
const Assignment = resourceSchema(ASSIGNMENT_KIND, {
  consumer_group_id: z.string(),
  consumer_id: z.string(),
  topic_name: z.string(),
  partition_id: z.int(),
  partition: Related,
  lag: Related,
});

const groupExample = groupData(
  EXAMPLE_URLS,
  { groupId: "billing", isSimple: false, assignor: "range", state: "STABLE" },
  0,
);
const consumerExample = consumerData(EXAMPLE_URLS, "billing", {
  consumerId: "c-1",
  instanceId: null,
  clientId: "billing-1",
});
const assignmentExample = assignmentData(
  EXAMPLE_URLS,
  { groupId: "billing", consumerId: "c-1" },
  { topic: "orders", partition: 0 },
);

export const groupParams = clusterParams.extend({
  consumer_group_id: z.string().meta({ description: "The group's id.", example: "billing" }),
});
const consumerParams = groupParams.extend({
  consumer_id: z.string().meta({ description: "The member's id.", example: "c-1" }),
});
const assignmentParams = consumerParams.extend({ topic_name: topicParam, partition_id: partitionParam });

export const NO_GROUP = `404: ${NO_CLUSTER}, or no such group.`;
const NO_CONSUMER = `404: ${NO_CLUSTER}, group or consumer.`;

const listGroups = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups"),
    method: "get",
    operationId: "v3ListConsumerGroups",
    summary: "Consumer groups",
    params: clusterParams,
    answers: {
      200: {
        description: "With a key, those that it may use.",
        schema: listSchema(KIND, Group),
        example: EXAMPLE_URLS.list(KIND, [groupExample], GROUPS),
      },
    },
    refusals: { 404: `404: ${NO_CLUSTER}.` },
  },
  async (call) => {
    const urls = v3Urls(call);
    const { principal, runtime, signal } = call;
    const { groups, identity } = runtime.broker;
    const listed = await groups.admin.list(signal);
    if (typeof listed === "number") throw httpErrorOf(listed);
    // Connect and others use groups in their own way.
    const asked = listed.filter(
      ({ groupId, protocolType }) =>
        (protocolType === "consumer" || protocolType === "") && principal.may("describe", groupResource(groupId)),
    );
    const views = await mapInChunks(asked, ADMIN_ITEMS_AT_ONCE_MAX, ({ groupId }) =>
      findGroup(groupId, call).catch(unlessGone),
    );
    const found = views.filter((view) => view !== undefined);
    return urls.longList(
      KIND,
      eachOf(found, (view) => groupData(urls, view, identity.brokerId)),
      GROUPS,
    );
  },
);

const getGroup = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups/{consumer_group_id}"),
    method: "get",
    operationId: "v3GetConsumerGroup",
    summary: "One consumer group",
    params: groupParams,
    answers: { 200: { description: "The group.", schema: Group, example: groupExample } },
    refusals: { 404: NO_GROUP },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    return { value: groupData(urls, group, call.runtime.broker.identity.brokerId) };
  },
);

const listConsumers = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups/{consumer_group_id}/consumers"),
    method: "get",
    operationId: "v3ListConsumers",
    summary: "The members of a group",
    params: groupParams,
    answers: {
      200: {
        description: "In the order of their coming.",
        schema: listSchema(CONSUMER_KIND, Consumer),
        example: EXAMPLE_URLS.list(CONSUMER_KIND, [consumerExample], GROUPS, "billing", "consumers"),
      },
    },
    refusals: { 404: NO_GROUP },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    const { groupId, consumers } = group;
    const data = consumers.map((consumer) => consumerData(urls, groupId, consumer));
    return { value: urls.list(CONSUMER_KIND, data, GROUPS, groupId, "consumers") };
  },
);

const getConsumer = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups/{consumer_group_id}/consumers/{consumer_id}"),
    method: "get",
    operationId: "v3GetConsumer",
    summary: "One member of a group",
    params: consumerParams,
    answers: { 200: { description: "The member.", schema: Consumer, example: consumerExample } },
    refusals: { 404: NO_CONSUMER },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    return { value: consumerData(urls, group.groupId, consumerOf(group, call.params.consumer_id)) };
  },
);

const listAssignments = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups/{consumer_group_id}/consumers/{consumer_id}/assignments"),
    method: "get",
    operationId: "v3ListConsumerAssignments",
    summary: "The partitions that a member has",
    description: "Of a group of the classic protocol: while it is stable.",
    params: consumerParams,
    answers: {
      200: {
        description: "By topic and partition; of topics that the key may see.",
        schema: listSchema(ASSIGNMENT_KIND, Assignment),
        example: EXAMPLE_URLS.list(
          ASSIGNMENT_KIND,
          [assignmentExample],
          ...[GROUPS, "billing", "consumers", "c-1", "assignments"],
        ),
      },
    },
    refusals: { 404: NO_CONSUMER },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    const { groupId } = group;
    const { consumerId, assigned } = consumerOf(group, call.params.consumer_id);
    const data = eachOf(assigned, (place) => assignmentData(urls, { groupId, consumerId }, place));
    return urls.longList(ASSIGNMENT_KIND, data, ...[GROUPS, groupId, "consumers", consumerId, "assignments"]);
  },
);

const getAssignment = endpoint(
  {
    ...inCluster(
      TAG,
      "/consumer-groups/{consumer_group_id}/consumers/{consumer_id}/assignments/{topic_name}/partitions/{partition_id}",
    ),
    method: "get",
    operationId: "v3GetConsumerAssignment",
    summary: "One partition that a member has",
    params: assignmentParams,
    answers: { 200: { description: "The assignment.", schema: Assignment, example: assignmentExample } },
    refusals: { 404: `${NO_CONSUMER.slice(0, -1)}, or the member has no such partition.` },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    const { groupId } = group;
    const { topic_name: topic, partition_id: partition } = call.params;
    requireAccess(call.principal, "describe", topicResource(topic));
    const { consumerId, assigned } = consumerOf(group, call.params.consumer_id);
    if (!assigned.some((each) => each.topic === topic && each.partition === partition)) {
      throw notFound(`Consumer ${consumerId} does not have partition ${partition} of ${topic}.`);
    }
    return { value: assignmentData(urls, { groupId, consumerId }, { topic, partition }) };
  },
);

export const V3_GROUP_ROUTES: readonly Endpoint[] = [
  listGroups,
  getGroup,
  listConsumers,
  getConsumer,
  listAssignments,
  getAssignment,
];

/** The group of a path, for whom it may concern. */
export async function groupOf(
  call: Call<{ readonly cluster_id: string; readonly consumer_group_id: string }>,
): Promise<{ readonly urls: V3Urls; readonly group: ConsumerGroupView }> {
  const urls = v3Urls(call);
  const groupId = call.params.consumer_group_id;
  requireAccess(call.principal, "describe", groupResource(groupId));
  return { urls, group: await findGroup(groupId, call) };
}

/** A group may go between the list and the look at it. */
function unlessGone(error: unknown): undefined {
  if (error instanceof HttpError && error.status === 404) return undefined;
  throw error;
}

function groupData(urls: V3Urls, group: Omit<ConsumerGroupView, "consumers">, brokerId: number) {
  const { groupId, isSimple, assignor, state } = group;
  return {
    ...urls.resource(KIND, GROUPS, groupId),
    consumer_group_id: groupId,
    is_simple: isSimple,
    partition_assignor: assignor,
    state,
    coordinator: urls.related("brokers", brokerId),
    consumers: urls.related(GROUPS, groupId, "consumers"),
    lag_summary: urls.related(GROUPS, groupId, "lag-summary"),
  };
}

function consumerData(urls: V3Urls, groupId: string, consumer: Omit<GroupConsumer, "assigned">) {
  const { consumerId, instanceId, clientId } = consumer;
  const path = [GROUPS, groupId, "consumers", consumerId];
  return {
    ...urls.resource(CONSUMER_KIND, ...path),
    consumer_group_id: groupId,
    consumer_id: consumerId,
    instance_id: instanceId,
    client_id: clientId,
    assignments: urls.related(...path, "assignments"),
  };
}

function assignmentData(
  urls: V3Urls,
  { groupId, consumerId }: { readonly groupId: string; readonly consumerId: string },
  { topic, partition }: GroupPartition,
) {
  const place = [topic, "partitions", partition] as const;
  return {
    ...urls.resource(ASSIGNMENT_KIND, GROUPS, groupId, "consumers", consumerId, "assignments", ...place),
    consumer_group_id: groupId,
    consumer_id: consumerId,
    topic_name: topic,
    partition_id: partition,
    partition: urls.related("topics", ...place),
    lag: urls.related(GROUPS, groupId, "lags", ...place),
  };
}
