import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { EndpointType } from "#lib/protocol/messages/describe-cluster.ts";
import { OPERATIONS_NOT_ASKED } from "#lib/protocol/messages/metadata.ts";
import { CLUSTER_OPERATIONS } from "../authorized-operations.ts";
import { registeredNodes, runningNodes } from "../broker-nodes.ts";
import { handler } from "../handler.ts";

// DescribeCluster v0-2.
// - Brokers only: there is no controller to ask, and this broker stands for it where an id is wanted.
// - Fenced are all that were registered and do not run: those that stopped in order too, as on Kafka.
// v1 adds the type of endpoint (KIP-919), v2 fenced brokers (KIP-1073).

export const describeCluster = handler(Apis.DESCRIBE_CLUSTER, (request, { listener }, services) => {
  const { endpointType } = request;
  const { identity } = services;
  const refused = (errorCode: ErrorCode, errorMessage: string) => ({
    errorCode,
    errorMessage,
    endpointType,
    clusterId: "",
    controllerId: -1,
    brokers: [],
  });
  if (endpointType === EndpointType.CONTROLLERS) {
    const message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
    return refused(ErrorCode.MISMATCHED_ENDPOINT_TYPE, message);
  }
  if (endpointType !== EndpointType.BROKERS) {
    return refused(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, `Unsupported endpoint type ${endpointType}`);
  }
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    endpointType,
    clusterId: identity.clusterId,
    controllerId: identity.brokerId,
    brokers: (request.includeFencedBrokers ? registeredNodes : runningNodes)(services, listener),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : OPERATIONS_NOT_ASKED,
  };
});
