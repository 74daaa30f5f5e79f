import { assert, defined } from "#lib/util/assert.ts";
import { AlterConfigsRequest, AlterConfigsResponse } from "./messages/alter-configs.ts";
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from "./messages/alter-partition-reassignments.ts";
import { ApiVersionsRequest, ApiVersionsResponse } from "./messages/api-versions.ts";
import { CreatePartitionsRequest, CreatePartitionsResponse } from "./messages/create-partitions.ts";
import { CreateTopicsRequest, CreateTopicsResponse } from "./messages/create-topics.ts";
import { DeleteRecordsRequest, DeleteRecordsResponse } from "./messages/delete-records.ts";
import { DeleteTopicsRequest, DeleteTopicsResponse } from "./messages/delete-topics.ts";
import { DescribeAclsRequest, DescribeAclsResponse } from "./messages/describe-acls.ts";
import { DescribeClientQuotasRequest, DescribeClientQuotasResponse } from "./messages/describe-client-quotas.ts";
import { DescribeClusterRequest, DescribeClusterResponse } from "./messages/describe-cluster.ts";
import { DescribeConfigsRequest, DescribeConfigsResponse } from "./messages/describe-configs.ts";
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from "./messages/describe-log-dirs.ts";
import { DescribeProducersRequest, DescribeProducersResponse } from "./messages/describe-producers.ts";
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from "./messages/describe-topic-partitions.ts";
import { ElectLeadersRequest, ElectLeadersResponse } from "./messages/elect-leaders.ts";
import { FetchRequest, FetchResponse } from "./messages/fetch.ts";
import { FindCoordinatorRequest, FindCoordinatorResponse } from "./messages/find-coordinator.ts";
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from "./messages/incremental-alter-configs.ts";
import { InitProducerIdRequest, InitProducerIdResponse } from "./messages/init-producer-id.ts";
import { ListOffsetsRequest, ListOffsetsResponse } from "./messages/list-offsets.ts";
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from "./messages/list-partition-reassignments.ts";
import { MetadataRequest, MetadataResponse } from "./messages/metadata.ts";
import { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse } from "./messages/offset-for-leader-epoch.ts";
import { ProduceRequest, ProduceResponse } from "./messages/produce.ts";
import type { Fields, Message } from "./schema.ts";
import { includesVersion, type VersionRange } from "./versions.ts";

/** A request and its response, which share their versions. */
export interface Api<Req extends Fields = Fields, Res extends Fields = Fields> {
  readonly apiKey: number;
  /** Kafka's name without "Request": "ListOffsets". */
  readonly name: string;
  /** Every version that can be read and written. */
  readonly versions: VersionRange;
  /** What a broker lists: `versions` without those that Kafka still calls unstable. */
  readonly stableVersions: VersionRange;
  readonly request: Message<Req>;
  readonly response: Message<Res>;
}

function api<Req extends Fields, Res extends Fields>(request: Message<Req>, response: Message<Res>): Api<Req, Res> {
  const versions = request.validVersions;
  const { min, max } = response.validVersions;
  assert(request.apiKey === response.apiKey && versions.min === min && versions.max === max, request.name);
  const unstable = request.unstableVersions;
  return {
    apiKey: defined(request.apiKey),
    name: request.name.replace(/Request$/, ""),
    versions,
    stableVersions: includesVersion(unstable, max) ? { min, max: unstable.min - 1 } : versions,
    request,
    response,
  };
}

/** Every API that we can read and write, by Kafka's name. */
export const Apis = {
  PRODUCE: api(ProduceRequest, ProduceResponse),
  FETCH: api(FetchRequest, FetchResponse),
  LIST_OFFSETS: api(ListOffsetsRequest, ListOffsetsResponse),
  METADATA: api(MetadataRequest, MetadataResponse),
  FIND_COORDINATOR: api(FindCoordinatorRequest, FindCoordinatorResponse),
  API_VERSIONS: api(ApiVersionsRequest, ApiVersionsResponse),
  CREATE_TOPICS: api(CreateTopicsRequest, CreateTopicsResponse),
  DELETE_TOPICS: api(DeleteTopicsRequest, DeleteTopicsResponse),
  DELETE_RECORDS: api(DeleteRecordsRequest, DeleteRecordsResponse),
  INIT_PRODUCER_ID: api(InitProducerIdRequest, InitProducerIdResponse),
  OFFSET_FOR_LEADER_EPOCH: api(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse),
  DESCRIBE_ACLS: api(DescribeAclsRequest, DescribeAclsResponse),
  DESCRIBE_CONFIGS: api(DescribeConfigsRequest, DescribeConfigsResponse),
  ALTER_CONFIGS: api(AlterConfigsRequest, AlterConfigsResponse),
  DESCRIBE_LOG_DIRS: api(DescribeLogDirsRequest, DescribeLogDirsResponse),
  CREATE_PARTITIONS: api(CreatePartitionsRequest, CreatePartitionsResponse),
  ELECT_LEADERS: api(ElectLeadersRequest, ElectLeadersResponse),
  INCREMENTAL_ALTER_CONFIGS: api(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse),
  ALTER_PARTITION_REASSIGNMENTS: api(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse),
  LIST_PARTITION_REASSIGNMENTS: api(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse),
  DESCRIBE_CLIENT_QUOTAS: api(DescribeClientQuotasRequest, DescribeClientQuotasResponse),
  DESCRIBE_CLUSTER: api(DescribeClusterRequest, DescribeClusterResponse),
  DESCRIBE_PRODUCERS: api(DescribeProducersRequest, DescribeProducersResponse),
  DESCRIBE_TOPIC_PARTITIONS: api(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse),
} as const;

export const ALL_APIS: readonly Api[] = Object.values(Apis);

const apiByKey: ReadonlyMap<number, Api> = new Map(ALL_APIS.map((each) => [each.apiKey, each]));

export function findApi(apiKey: number): Api | undefined {
  return apiByKey.get(apiKey);
}
