import { Apis } from "#lib/protocol/apis.ts";
import type { AlterConfigsRequest } from "#lib/protocol/messages/alter-configs.ts";
import { alterResources, type ResourceAlteration } from "../config-resources.ts";
import { handler } from "../handler.ts";

// AlterConfigs v0-2, for topics, brokers and groups: what a resource's list does not name goes back to its default. Prefer
// IncrementalAlterConfigs; two clients that read, change and write back undo each other here, on Kafka too.

type Resource = AlterConfigsRequest["resources"][number];

export const alterConfigs = handler(Apis.ALTER_CONFIGS, async (request, { signal }, services) => {
  const options = { replacesAll: true, validateOnly: request.validateOnly, signal };
  return { throttleTimeMs: 0, responses: await alterResources(request.resources.map(alterationOf), options, services) };
});

function alterationOf({ resourceType, resourceName, configs }: Resource): ResourceAlteration {
  return {
    resourceType,
    resourceName,
    keys: configs.map(({ name }) => name),
    operations: configs.flatMap(({ name: key, value }) => (value === null ? [] : [{ kind: "set", key, value }])),
    keysOfNull: configs.filter(({ value }) => value === null).map(({ name }) => name),
  };
}
