import { assert, defined } from "#lib/util/assert.ts";
import { AlterConfigsRequest, AlterConfigsResponse } from "./messages/alter-configs.ts";
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from "./messages/alter-partition-reassignments.ts";
import { ApiVersionsRequest, ApiVersionsResponse } from "./messages/api-versions.ts";
import { ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse } from "./messages/consumer-group-describe.ts";
import { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from "./messages/consumer-group-heartbeat.ts";
import { CreatePartitionsRequest, CreatePartitionsResponse } from "./messages/create-partitions.ts";
import { CreateTopicsRequest, CreateTopicsResponse } from "./messages/create-topics.ts";
import { DeleteGroupsRequest, DeleteGroupsResponse } from "./messages/delete-groups.ts";
import { DeleteRecordsRequest, DeleteRecordsResponse } from "./messages/delete-records.ts";
import { DeleteTopicsRequest, DeleteTopicsResponse } from "./messages/delete-topics.ts";
import { DescribeAclsRequest, DescribeAclsResponse } from "./messages/describe-acls.ts";
import { DescribeClientQuotasRequest, DescribeClientQuotasResponse } from "./messages/describe-client-quotas.ts";
import { DescribeClusterRequest, DescribeClusterResponse } from "./messages/describe-cluster.ts";
import { DescribeConfigsRequest, DescribeConfigsResponse } from "./messages/describe-configs.ts";
import { DescribeGroupsRequest, DescribeGroupsResponse } from "./messages/describe-groups.ts";
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from "./messages/describe-log-dirs.ts";
import { DescribeProducersRequest, DescribeProducersResponse } from "./messages/describe-producers.ts";
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from "./messages/describe-topic-partitions.ts";
import { ElectLeadersRequest, ElectLeadersResponse } from "./messages/elect-leaders.ts";
import { FetchRequest, FetchResponse } from "./messages/fetch.ts";
import { FindCoordinatorRequest, FindCoordinatorResponse } from "./messages/find-coordinator.ts";
import { HeartbeatRequest, HeartbeatResponse } from "./messages/heartbeat.ts";
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from "./messages/incremental-alter-configs.ts";
import { InitProducerIdRequest, InitProducerIdResponse } from "./messages/init-producer-id.ts";
import { JoinGroupRequest, JoinGroupResponse } from "./messages/join-group.ts";
import { LeaveGroupRequest, LeaveGroupResponse } from "./messages/leave-group.ts";
import { ListGroupsRequest, ListGroupsResponse } from "./messages/list-groups.ts";
import { ListOffsetsRequest, ListOffsetsResponse } from "./messages/list-offsets.ts";
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from "./messages/list-partition-reassignments.ts";
import { MetadataRequest, MetadataResponse } from "./messages/metadata.ts";
import { OffsetCommitRequest, OffsetCommitResponse } from "./messages/offset-commit.ts";
import { OffsetDeleteRequest, OffsetDeleteResponse } from "./messages/offset-delete.ts";
import { OffsetFetchRequest, OffsetFetchResponse } from "./messages/offset-fetch.ts";
import { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse } from "./messages/offset-for-leader-epoch.ts";
import { ProduceRequest, ProduceResponse } from "./messages/produce.ts";
import { SyncGroupRequest, SyncGroupResponse } from "./messages/sync-group.ts";
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
  OFFSET_COMMIT: api(OffsetCommitRequest, OffsetCommitResponse),
  OFFSET_FETCH: api(OffsetFetchRequest, OffsetFetchResponse),
  FIND_COORDINATOR: api(FindCoordinatorRequest, FindCoordinatorResponse),
  JOIN_GROUP: api(JoinGroupRequest, JoinGroupResponse),
  HEARTBEAT: api(HeartbeatRequest, HeartbeatResponse),
  LEAVE_GROUP: api(LeaveGroupRequest, LeaveGroupResponse),
  SYNC_GROUP: api(SyncGroupRequest, SyncGroupResponse),
  DESCRIBE_GROUPS: api(DescribeGroupsRequest, DescribeGroupsResponse),
  LIST_GROUPS: api(ListGroupsRequest, ListGroupsResponse),
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
  DELETE_GROUPS: api(DeleteGroupsRequest, DeleteGroupsResponse),
  ELECT_LEADERS: api(ElectLeadersRequest, ElectLeadersResponse),
  INCREMENTAL_ALTER_CONFIGS: api(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse),
  OFFSET_DELETE: api(OffsetDeleteRequest, OffsetDeleteResponse),
  ALTER_PARTITION_REASSIGNMENTS: api(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse),
  LIST_PARTITION_REASSIGNMENTS: api(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse),
  DESCRIBE_CLIENT_QUOTAS: api(DescribeClientQuotasRequest, DescribeClientQuotasResponse),
  DESCRIBE_CLUSTER: api(DescribeClusterRequest, DescribeClusterResponse),
  CONSUMER_GROUP_HEARTBEAT: api(ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse),
  CONSUMER_GROUP_DESCRIBE: api(ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse),
  DESCRIBE_PRODUCERS: api(DescribeProducersRequest, DescribeProducersResponse),
  DESCRIBE_TOPIC_PARTITIONS: api(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse),
} as const;

export const ALL_APIS: readonly Api[] = Object.values(Apis);

const apiByKey: ReadonlyMap<number, Api> = new Map(ALL_APIS.map((each) => [each.apiKey, each]));

export function findApi(apiKey: number): Api | undefined {
  return apiByKey.get(apiKey);
}
