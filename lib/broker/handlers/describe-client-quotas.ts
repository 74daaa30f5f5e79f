import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type DescribeClientQuotasRequest, QuotaMatchType } from "#lib/protocol/messages/describe-client-quotas.ts";
import { type ItemError, itemError } from "../admin-request.ts";
import { handler } from "../handler.ts";

// DescribeClientQuotas v0-1 (KIP-546): no quotas, for none can be set. What is wrong with a filter is told as on Kafka.

type Component = DescribeClientQuotasRequest["components"][number];

export const describeClientQuotas = handler(Apis.DESCRIBE_CLIENT_QUOTAS, ({ components }) => {
  const fault = filterFault(components);
  if (fault !== undefined) return { ...fault, entries: null };
  // Kafka's text of a success is empty, not null.
  return { errorCode: ErrorCode.NONE, errorMessage: "", entries: [] };
});

const ENTITY_TYPES: ReadonlySet<string> = new Set(["user", "client-id", "ip"]);

function filterFault(components: readonly Component[]): ItemError | undefined {
  const seen = new Set<string>();
  for (const component of components) {
    const { entityType } = component;
    if (entityType === "") return invalid("Invalid empty entity type.");
    if (seen.has(entityType)) {
      return invalid(`Entity type ${entityType} cannot appear more than once in the filter.`);
    }
    if (!ENTITY_TYPES.has(entityType)) {
      return itemError(ErrorCode.UNSUPPORTED_VERSION, `Unsupported entity type ${entityType}`);
    }
    const fault = matchFault(component);
    if (fault !== undefined) return fault;
    seen.add(entityType);
  }
  if (!seen.has("ip") || seen.size === 1) return undefined;
  return invalid(
    "Invalid entity filter component combination. IP filter component should not be used with user or clientId " +
      "filter component.",
  );
}

function matchFault({ matchType, match }: Component): ItemError | undefined {
  switch (matchType) {
    case QuotaMatchType.EXACT:
      if (match !== null) return undefined;
      return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.");
    case QuotaMatchType.DEFAULT:
      if (match === null) return undefined;
      return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
    case QuotaMatchType.SPECIFIED:
      if (match === null) return undefined;
      return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
    default:
      return invalid(`Unknown match type ${matchType}`);
  }
}

function invalid(message: string): ItemError {
  return itemError(ErrorCode.INVALID_REQUEST, message);
}
