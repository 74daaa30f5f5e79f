import { Apis } from "#lib/protocol/apis.ts";
import { NO_ERROR } from "../admin-request.ts";
import { handler } from "../handler.ts";

// ListPartitionReassignments v0 (KIP-455): none, for replicas never move (docs/ARCHITECTURE.md section 3).

export const listPartitionReassignments = handler(Apis.LIST_PARTITION_REASSIGNMENTS, () => ({
  throttleTimeMs: 0,
  ...NO_ERROR,
  topics: [],
}));
