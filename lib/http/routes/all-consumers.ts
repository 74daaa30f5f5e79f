import type { Endpoint } from "../endpoint.ts";
import { V2_CONSUMER_OFFSET_ROUTES } from "./v2-consumer-offsets.ts";
import { V2_CONSUMER_POSITION_ROUTES } from "./v2-consumer-positions.ts";
import { V2_CONSUMER_RECORD_ROUTES } from "./v2-consumer-records.ts";
import { V2_CONSUMER_SUBSCRIPTION_ROUTES } from "./v2-consumer-subscriptions.ts";
import { V2_CONSUMER_ROUTES } from "./v2-consumers.ts";

/** Everything under `/consumers`. */
export const ALL_CONSUMER_ROUTES: readonly Endpoint[] = [
  ...V2_CONSUMER_ROUTES,
  ...V2_CONSUMER_SUBSCRIPTION_ROUTES,
  ...V2_CONSUMER_POSITION_ROUTES,
  ...V2_CONSUMER_OFFSET_ROUTES,
  ...V2_CONSUMER_RECORD_ROUTES,
];
