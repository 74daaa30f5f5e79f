import { Stack, Validations } from "aws-cdk-lib";
import type { IConstruct } from "constructs";

// What cdk-nag's AwsSolutions pack would have otherwise, and why it is not so. Each finding is named where it arises.

/** Objects of a bucket have keys that are not known beforehand; the bucket is named. */
export function acknowledgeObjectKeys(role: IConstruct, bucketArns: readonly string[]): void {
  const stack = Stack.of(role);
  for (const arn of bucketArns) {
    // cdk-nag writes a reference as `<LogicalId.Attribute>`.
    const reference: unknown = stack.resolve(arn);
    const name = referenceName(reference);
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::<${name}>/*]`,
      reason:
        "Objects are written under keys that carry the hour and the writer; the bucket is one of the stack's own.",
    });
  }
}

function referenceName(reference: unknown): string {
  if (typeof reference !== "object" || reference === null || !("Fn::GetAtt" in reference)) return String(reference);
  const parts = reference["Fn::GetAtt"];
  return Array.isArray(parts) ? parts.join(".") : String(parts);
}
