import type { AdminResult } from "#lib/cluster/admin-result.ts";
import type { RequestedAlteration, RequestedOperation } from "#lib/cluster/config-alteration.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigResourceType } from "#lib/protocol/messages/describe-configs.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { errorOfRefusal, type ItemError, itemError, itemOrError, NO_ERROR, repeated } from "./admin-request.ts";
import type { BrokerServices } from "./broker-services.ts";

// What the three APIs of configs say of resources: topics by name, brokers by id, groups by id.

export interface ConfigResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** One resource to alter; `fault` if the request is wrong whatever stands there. */
export interface ResourceAlteration extends ConfigResource {
  readonly keys: readonly string[];
  readonly operations: readonly RequestedOperation[];
  /** Keys that came without the value they need. */
  readonly keysOfNull: readonly string[];
  readonly fault?: ItemError;
}

interface AlterationWork {
  readonly alteration: RequestedAlteration;
  readonly options: { readonly validateOnly: boolean; readonly signal: AbortSignal };
}

/** A broker answers for itself alone. */
export function brokerNameFault(name: string, { identity }: BrokerServices): ItemError | undefined {
  if (!/^[+-]?\d{1,10}$/.test(name)) {
    return itemError(ErrorCode.INVALID_REQUEST, `Node id must be an integer, but it is: ${name.slice(0, 100)}`);
  }
  if (Number(name) === identity.brokerId) return undefined;
  return itemError(
    ErrorCode.INVALID_REQUEST,
    `Unexpected broker id, expected ${identity.brokerId} or empty string, but received ${name}`,
  );
}

export function unsupportedResource(resourceType: number): ItemError {
  return itemError(ErrorCode.INVALID_REQUEST, `Unsupported resource type: ${resourceType}`);
}

/** Alters each resource by itself: one that is refused does not hold up the others. */
export async function alterResources(
  resources: readonly ResourceAlteration[],
  options: { readonly replacesAll: boolean; readonly validateOnly: boolean; readonly signal: AbortSignal },
  services: BrokerServices,
) {
  const twice = repeated(resources.map(resourceKey));
  return mapInChunks(resources, ADMIN_ITEMS_AT_ONCE_MAX, async (resource) => {
    const { resourceType, resourceName, operations } = resource;
    const fault = twice.has(resourceKey(resource))
      ? itemError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
      : resourceFault(resource, services);
    if (fault !== undefined) return { ...fault, resourceType, resourceName };
    const alteration = { replacesAll: options.replacesAll, operations };
    const error = await itemOrError(services, () => alter(resource, { alteration, options }, services));
    return { ...error, resourceType, resourceName };
  });
}

function resourceKey({ resourceType, resourceName }: ConfigResource): string {
  return `${resourceType}:${resourceName}`;
}

function resourceFault(resource: ResourceAlteration, services: BrokerServices): ItemError | undefined {
  const invalid = (message: string) => itemError(ErrorCode.INVALID_REQUEST, message);
  if (repeated(resource.keys).size > 0) return invalid("Error due to duplicate config keys");
  if (resource.keysOfNull.length > 0)
    return invalid(`Null value not supported for : ${resource.keysOfNull.join(", ")}`);
  if (resource.fault !== undefined) return resource.fault;
  switch (resource.resourceType) {
    case ConfigResourceType.TOPIC:
      return undefined;
    case ConfigResourceType.BROKER:
      return resource.resourceName === "" ? undefined : brokerNameFault(resource.resourceName, services);
    case ConfigResourceType.GROUP:
      return resource.resourceName === "" ? invalid("Default group resources are not allowed.") : undefined;
    default:
      return unsupportedResource(resource.resourceType);
  }
}

async function alter(resource: ConfigResource, work: AlterationWork, services: BrokerServices): Promise<ItemError> {
  const result = await alterByType(resource, work, services);
  return result.kind === "refused" ? errorOfRefusal(result) : NO_ERROR;
}

function alterByType(
  { resourceType, resourceName }: ConfigResource,
  { alteration, options }: AlterationWork,
  { topicAdmin, identity }: BrokerServices,
): Promise<AdminResult<undefined>> {
  if (resourceType === ConfigResourceType.TOPIC) return topicAdmin.alterTopicConfigs(resourceName, alteration, options);
  if (resourceType === ConfigResourceType.GROUP) return topicAdmin.alterGroupConfigs(resourceName, alteration, options);
  // Under the id as we write it, so that "+1" and "01" are broker 1 too.
  const brokerName = resourceName === "" ? "" : String(identity.brokerId);
  return topicAdmin.alterBrokerConfigs(brokerName, alteration, options);
}
