import type { RequestedOperation } from "#lib/cluster/config-alteration.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import {
  AlterConfigOperation,
  type IncrementalAlterConfigsRequest,
} from "#lib/protocol/messages/incremental-alter-configs.ts";
import { itemError } from "../admin-request.ts";
import { alterResources, type ResourceAlteration } from "../config-resources.ts";
import { handler } from "../handler.ts";

// IncrementalAlterConfigs v0-1, for topics, brokers and groups.
// - Set, delete, append to and subtract from what stands there when the change is made, so that two changes of different
//   keys, or of one list, do not undo each other.
// - Brokers: this one, or all with an empty name; only configs that Kafka calls dynamic. Faults of values are
//   INVALID_REQUEST there and INVALID_CONFIG elsewhere, as on Kafka (KAFKA-13609).

type Resource = IncrementalAlterConfigsRequest["resources"][number];

export const incrementalAlterConfigs = handler(
  Apis.INCREMENTAL_ALTER_CONFIGS,
  async (request, { signal }, services) => {
    const options = { replacesAll: false, validateOnly: request.validateOnly, signal };
    return {
      throttleTimeMs: 0,
      responses: await alterResources(request.resources.map(alterationOf), options, services),
    };
  },
);

function alterationOf({ resourceType, resourceName, configs }: Resource): ResourceAlteration {
  const unknown = configs.find(({ configOperation }) => configOperation < 0 || configOperation > 3);
  const needsValue = configs.filter(({ configOperation }) => configOperation !== AlterConfigOperation.DELETE);
  return {
    resourceType,
    resourceName,
    keys: configs.map(({ name }) => name),
    operations: configs.flatMap(operationOf),
    keysOfNull: needsValue.filter(({ value }) => value === null).map(({ name }) => name),
    ...(unknown === undefined
      ? {}
      : { fault: itemError(ErrorCode.INVALID_REQUEST, `Unknown operations type ${unknown.configOperation}`) }),
  };
}

function operationOf({
  name: key,
  configOperation,
  value,
}: Resource["configs"][number]): readonly RequestedOperation[] {
  if (configOperation === AlterConfigOperation.DELETE) return [{ kind: "delete", key }];
  if (value === null) return [];
  switch (configOperation) {
    case AlterConfigOperation.SET:
      return [{ kind: "set", key, value }];
    case AlterConfigOperation.APPEND:
      return [{ kind: "append", key, value }];
    case AlterConfigOperation.SUBTRACT:
      return [{ kind: "subtract", key, value }];
    default:
      return [];
  }
}
