import type { Endpoint } from "./endpoint.ts";
import { SERVICE_ROUTES } from "./routes/service.ts";
import { V1_KAFKA_ROUTES } from "./routes/v1-kafka.ts";
import { V1_KEY_ROUTES } from "./routes/v1-keys.ts";
import { V1_PRODUCE_ROUTES } from "./routes/v1-produce.ts";
import { V1_RECORD_ROUTES } from "./routes/v1-records.ts";
import { V2_CONSUMER_OFFSET_ROUTES } from "./routes/v2-consumer-offsets.ts";
import { V2_CONSUMER_POSITION_ROUTES } from "./routes/v2-consumer-positions.ts";
import { V2_CONSUMER_RECORD_ROUTES } from "./routes/v2-consumer-records.ts";
import { V2_CONSUMER_SUBSCRIPTION_ROUTES } from "./routes/v2-consumer-subscriptions.ts";
import { V2_CONSUMER_ROUTES } from "./routes/v2-consumers.ts";
import { V2_PRODUCE_ROUTES } from "./routes/v2-produce.ts";
import { V2_TOPIC_ROUTES } from "./routes/v2-topics.ts";

/** Every route of the HTTP door. The router, the OpenAPI document and the tests are made from it. */
export const ROUTES: readonly Endpoint[] = [
  ...V2_TOPIC_ROUTES,
  ...V2_PRODUCE_ROUTES,
  ...V2_CONSUMER_ROUTES,
  ...V2_CONSUMER_SUBSCRIPTION_ROUTES,
  ...V2_CONSUMER_POSITION_ROUTES,
  ...V2_CONSUMER_OFFSET_ROUTES,
  ...V2_CONSUMER_RECORD_ROUTES,
  ...V1_RECORD_ROUTES,
  ...V1_PRODUCE_ROUTES,
  ...V1_KEY_ROUTES,
  ...V1_KAFKA_ROUTES,
  ...SERVICE_ROUTES,
];
