import type { ApiHandler } from "./handler.ts";
import { apiVersionsHandler } from "./handlers/api-versions.ts";
import { describeAcls } from "./handlers/describe-acls.ts";
import { describeCluster } from "./handlers/describe-cluster.ts";
import { fetch } from "./handlers/fetch.ts";
import { findCoordinator } from "./handlers/find-coordinator.ts";
import { initProducerId } from "./handlers/init-producer-id.ts";
import { listOffsets } from "./handlers/list-offsets.ts";
import { metadata } from "./handlers/metadata.ts";
import { offsetForLeaderEpoch } from "./handlers/offset-for-leader-epoch.ts";
import { produce } from "./handlers/produce.ts";

const SERVED: readonly ApiHandler[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  findCoordinator,
  initProducerId,
  offsetForLeaderEpoch,
  describeAcls,
  describeCluster,
];

/** Every API that the Kafka door serves. ApiVersions is computed from it. */
export const BROKER_HANDLERS: readonly ApiHandler[] = [...SERVED, apiVersionsHandler(SERVED.map(({ api }) => api))];
