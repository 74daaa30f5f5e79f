import type { ApiHandler } from "./handler.ts";
import { alterConfigs } from "./handlers/alter-configs.ts";
import { alterPartitionReassignments } from "./handlers/alter-partition-reassignments.ts";
import { apiVersionsHandler } from "./handlers/api-versions.ts";
import { consumerGroupDescribe } from "./handlers/consumer-group-describe.ts";
import { consumerGroupHeartbeat } from "./handlers/consumer-group-heartbeat.ts";
import { createPartitions } from "./handlers/create-partitions.ts";
import { createTopics } from "./handlers/create-topics.ts";
import { deleteGroups } from "./handlers/delete-groups.ts";
import { deleteRecords } from "./handlers/delete-records.ts";
import { deleteTopics } from "./handlers/delete-topics.ts";
import { describeAcls } from "./handlers/describe-acls.ts";
import { describeClientQuotas } from "./handlers/describe-client-quotas.ts";
import { describeCluster } from "./handlers/describe-cluster.ts";
import { describeConfigs } from "./handlers/describe-configs.ts";
import { describeGroups } from "./handlers/describe-groups.ts";
import { describeLogDirs } from "./handlers/describe-log-dirs.ts";
import { describeProducers } from "./handlers/describe-producers.ts";
import { describeTopicPartitions } from "./handlers/describe-topic-partitions.ts";
import { electLeaders } from "./handlers/elect-leaders.ts";
import { fetch } from "./handlers/fetch.ts";
import { findCoordinator } from "./handlers/find-coordinator.ts";
import { heartbeat } from "./handlers/heartbeat.ts";
import { incrementalAlterConfigs } from "./handlers/incremental-alter-configs.ts";
import { initProducerId } from "./handlers/init-producer-id.ts";
import { joinGroup } from "./handlers/join-group.ts";
import { leaveGroup } from "./handlers/leave-group.ts";
import { listGroups } from "./handlers/list-groups.ts";
import { listOffsets } from "./handlers/list-offsets.ts";
import { listPartitionReassignments } from "./handlers/list-partition-reassignments.ts";
import { metadata } from "./handlers/metadata.ts";
import { offsetCommit } from "./handlers/offset-commit.ts";
import { offsetDelete } from "./handlers/offset-delete.ts";
import { offsetFetch } from "./handlers/offset-fetch.ts";
import { offsetForLeaderEpoch } from "./handlers/offset-for-leader-epoch.ts";
import { produce } from "./handlers/produce.ts";
import { syncGroup } from "./handlers/sync-group.ts";

const SERVED: readonly ApiHandler[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  describeAcls,
  describeConfigs,
  alterConfigs,
  describeLogDirs,
  createPartitions,
  electLeaders,
  deleteGroups,
  incrementalAlterConfigs,
  offsetDelete,
  alterPartitionReassignments,
  listPartitionReassignments,
  describeClientQuotas,
  describeCluster,
  describeProducers,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  describeTopicPartitions,
];

/** Every API that the Kafka door serves. ApiVersions is computed from it. */
export const BROKER_HANDLERS: readonly ApiHandler[] = [...SERVED, apiVersionsHandler(SERVED.map(({ api }) => api))];
