import type { Endpoint } from "../endpoint.ts";
import { V1_PRODUCE_ROUTES } from "./v1-produce.ts";
import { V2_PRODUCE_ROUTES } from "./v2-produce.ts";
import { V3_RECORD_ROUTES } from "./v3-records.ts";

/** Everything that writes records. */
export const ALL_PRODUCE_ROUTES: readonly Endpoint[] = [
  ...V2_PRODUCE_ROUTES,
  ...V1_PRODUCE_ROUTES,
  ...V3_RECORD_ROUTES,
];
