import type { Endpoint } from "./endpoint.ts";
import { ALL_CONSUMER_ROUTES } from "./routes/all-consumers.ts";
import { ALL_PRODUCE_ROUTES } from "./routes/all-produce.ts";
import { SERVICE_ROUTES } from "./routes/service.ts";
import { V1_KAFKA_ROUTES } from "./routes/v1-kafka.ts";
import { V1_KEY_ROUTES } from "./routes/v1-keys.ts";
import { V1_RECORD_ROUTES } from "./routes/v1-records.ts";
import { V1_REQUEST_ROUTES } from "./routes/v1-requests.ts";
import { V2_TOPIC_ROUTES } from "./routes/v2-topics.ts";
import { V3_ACL_ROUTES } from "./routes/v3-acls.ts";
import { V3_BROKER_CONFIG_ROUTES } from "./routes/v3-broker-configs.ts";
import { V3_CLUSTER_ROUTES } from "./routes/v3-clusters.ts";
import { V3_GROUP_ROUTES } from "./routes/v3-groups.ts";
import { V3_LAG_ROUTES } from "./routes/v3-lags.ts";
import { V3_PARTITION_ROUTES } from "./routes/v3-partitions.ts";
import { V3_TOPIC_CONFIG_ROUTES } from "./routes/v3-topic-configs.ts";
import { V3_TOPIC_ROUTES } from "./routes/v3-topics.ts";

/** Every route of the HTTP door. The router, the OpenAPI document and the tests are made from it. */
export const ROUTES: readonly Endpoint[] = [
  ...V2_TOPIC_ROUTES,
  ...ALL_PRODUCE_ROUTES,
  ...ALL_CONSUMER_ROUTES,
  ...V3_CLUSTER_ROUTES,
  ...V3_TOPIC_ROUTES,
  ...V3_PARTITION_ROUTES,
  ...V3_TOPIC_CONFIG_ROUTES,
  ...V3_BROKER_CONFIG_ROUTES,
  ...V3_GROUP_ROUTES,
  ...V3_LAG_ROUTES,
  ...V3_ACL_ROUTES,
  ...V1_RECORD_ROUTES,
  ...V1_KEY_ROUTES,
  ...V1_KAFKA_ROUTES,
  ...V1_REQUEST_ROUTES,
  ...SERVICE_ROUTES,
];
