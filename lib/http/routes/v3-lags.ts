import { z } from "zod";
import { requireAccess, topicResource } from "../access.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { partitionParam, topicParam } from "../parameters.ts";
import { groupLags, type PartitionLag } from "../v3-groups.ts";
import {
  EXAMPLE_URLS,
  eachOf,
  inCluster,
  listSchema,
  notFound,
  Related,
  resourceSchema,
  type V3Urls,
} from "../v3-resource.ts";
import { groupOf, groupParams, NO_GROUP } from "./v3-groups.ts";

// How far a group is behind, as the REST Proxy's v3 shows it: in every partition that it has committed an offset of.

const TAG = "consumer groups (v3)";
const KIND = "KafkaConsumerLag";
const SUMMARY_KIND = "KafkaConsumerGroupLagSummary";
const GROUPS = "consumer-groups";

const Lag = resourceSchema(KIND, {
  consumer_group_id: z.string(),
  topic_name: z.string(),
  partition_id: z.int(),
  consumer_id: z.string().meta({ description: "Empty while the partition is nobody's." }),
  instance_id: z.string().nullable(),
  client_id: z.string(),
  current_offset: z.int(),
  log_end_offset: z.int(),
  lag: z.int(),
});
const Summary = resourceSchema(SUMMARY_KIND, {
  consumer_group_id: z.string(),
  max_lag_consumer_id: z.string().meta({ description: "Empty while the partition is nobody's." }),
  max_lag_instance_id: z.string().nullable(),
  max_lag_client_id: z.string(),
  max_lag_topic_name: z.string(),
  max_lag_partition_id: z.int(),
  max_lag: z.int(),
  total_lag: z.int(),
  max_lag_consumer: Related,
  max_lag_partition: Related,
});

const EXAMPLE_LAG: PartitionLag = {
  topic: "orders",
  partition: 0,
  consumer: { consumerId: "c-1", instanceId: null, clientId: "billing-1", assigned: [] },
  currentOffset: 30,
  logEndOffset: 42,
  lag: 12,
};
const lagExample = lagData(EXAMPLE_URLS, "billing", EXAMPLE_LAG);

const getSummary = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups/{consumer_group_id}/lag-summary"),
    method: "get",
    operationId: "v3GetConsumerGroupLagSummary",
    summary: "The largest lag of a group, and all lags together",
    params: groupParams,
    answers: {
      200: {
        description:
          "Counted in records of topics that the key may see, from the committed offset to the last stable one.",
        schema: Summary,
        example: summaryData(EXAMPLE_URLS, "billing", { largest: EXAMPLE_LAG, totalLag: 20 }),
      },
    },
    refusals: { 404: `${NO_GROUP.slice(0, -1)}, or it has committed no offset.` },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    const lags = await groupLags(group, call);
    const [first] = lags;
    if (first === undefined) throw notFound(`Group ${group.groupId} has committed no offset.`);
    const largest = lags.reduce((most, each) => (each.lag > most.lag ? each : most), first);
    const totalLag = lags.reduce((sum, { lag }) => sum + lag, 0);
    return { value: summaryData(urls, group.groupId, { largest, totalLag }) };
  },
);

const listLags = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups/{consumer_group_id}/lags"),
    method: "get",
    operationId: "v3ListConsumerLags",
    summary: "The lags of a group",
    params: groupParams,
    answers: {
      200: {
        description: "By topic and partition, of topics that the key may see; none where no offset is committed.",
        schema: listSchema(KIND, Lag),
        example: EXAMPLE_URLS.list(KIND, [lagExample], GROUPS, "billing", "lags"),
      },
    },
    refusals: { 404: NO_GROUP },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    const { groupId } = group;
    const lags = await groupLags(group, call);
    const data = eachOf(lags, (lag) => lagData(urls, groupId, lag));
    return urls.longList(KIND, data, GROUPS, groupId, "lags");
  },
);

const getLag = endpoint(
  {
    ...inCluster(TAG, "/consumer-groups/{consumer_group_id}/lags/{topic_name}/partitions/{partition_id}"),
    method: "get",
    operationId: "v3GetConsumerLag",
    summary: "The lag of a group in one partition",
    params: groupParams.extend({ topic_name: topicParam, partition_id: partitionParam }),
    answers: { 200: { description: "The lag.", schema: Lag, example: lagExample } },
    refusals: { 404: `${NO_GROUP.slice(0, -1)}, or it has committed no offset of this partition.` },
  },
  async (call) => {
    const { urls, group } = await groupOf(call);
    const { topic_name: topic, partition_id: partition } = call.params;
    requireAccess(call.principal, "describe", topicResource(topic));
    const lags = await groupLags(group, call);
    const found = lags.find((lag) => lag.topic === topic && lag.partition === partition);
    if (found === undefined) {
      throw notFound(`Group ${group.groupId} has committed no offset of partition ${partition} of ${topic}.`);
    }
    return { value: lagData(urls, group.groupId, found) };
  },
);

export const V3_LAG_ROUTES: readonly Endpoint[] = [getSummary, listLags, getLag];

function lagData(urls: V3Urls, groupId: string, found: PartitionLag) {
  const { topic, partition, consumer, currentOffset, logEndOffset, lag } = found;
  return {
    ...urls.resource(KIND, GROUPS, groupId, "lags", topic, "partitions", partition),
    consumer_group_id: groupId,
    topic_name: topic,
    partition_id: partition,
    consumer_id: consumer?.consumerId ?? "",
    instance_id: consumer?.instanceId ?? null,
    client_id: consumer?.clientId ?? "",
    current_offset: currentOffset,
    log_end_offset: logEndOffset,
    lag,
  };
}

function summaryData(
  urls: V3Urls,
  groupId: string,
  { largest, totalLag }: { readonly largest: PartitionLag; readonly totalLag: number },
) {
  const { topic, partition, consumer, lag } = largest;
  const consumerId = consumer?.consumerId ?? "";
  return {
    ...urls.resource(SUMMARY_KIND, GROUPS, groupId, "lag-summary"),
    consumer_group_id: groupId,
    max_lag_consumer_id: consumerId,
    max_lag_instance_id: consumer?.instanceId ?? null,
    max_lag_client_id: consumer?.clientId ?? "",
    max_lag_topic_name: topic,
    max_lag_partition_id: partition,
    max_lag: lag,
    total_lag: totalLag,
    max_lag_consumer: urls.related(GROUPS, groupId, "consumers", consumerId),
    max_lag_partition: urls.related("topics", topic, "partitions", partition),
  };
}
