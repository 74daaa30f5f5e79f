import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { handler } from "../handler.ts";

// DescribeAcls v0-3: SECURITY_DISABLED, as on a Kafka broker without an authorizer.

export const describeAcls = handler(Apis.DESCRIBE_ACLS, () => ({
  throttleTimeMs: 0,
  errorCode: ErrorCode.SECURITY_DISABLED,
  errorMessage: "No Authorizer is configured.",
  resources: [],
}));
