import { RemovalPolicy } from "aws-cdk-lib";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import type { JournalCapacity, ProvisionedCapacity } from "#lib/config/journal-capacity.ts";

export interface JournalTableProps {
  readonly deletionProtection: boolean;
  readonly capacity: JournalCapacity;
}

/**
 * The table of the journals: the only mutable thing of a deployment. One item a record; paid by the request or by the hour;
 * every change of the last 35 days can be taken back. Records never expire by themselves: trimming is for the product to
 * decide.
 */
export class JournalTable extends Construct {
  readonly table: dynamodb.Table;

  constructor(scope: Construct, id: string, { capacity, deletionProtection }: JournalTableProps) {
    super(scope, id);
    this.table = new dynamodb.Table(this, "Table", {
      partitionKey: { name: "journal", type: dynamodb.AttributeType.STRING },
      sortKey: { name: "seq", type: dynamodb.AttributeType.NUMBER },
      ...billingOf(capacity),
      // The service's own key: encrypted at rest without a charge for each request.
      encryption: dynamodb.TableEncryption.DEFAULT,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    if (capacity !== "on-demand") this.#followLoad(capacity);
  }

  /** A capacity whose bounds are the same is left alone: nothing has to watch it. */
  #followLoad({ minWrites, maxWrites, minReads, maxReads, targetPercent }: ProvisionedCapacity): void {
    const { table } = this;
    const target = { targetUtilizationPercent: targetPercent };
    if (maxWrites > minWrites) {
      table.autoScaleWriteCapacity({ minCapacity: minWrites, maxCapacity: maxWrites }).scaleOnUtilization(target);
    }
    if (maxReads > minReads) {
      table.autoScaleReadCapacity({ minCapacity: minReads, maxCapacity: maxReads }).scaleOnUtilization(target);
    }
  }

  /**
   * Lets a role read journals and append to them, not delete from them. That an append replaces nothing is the condition
   * of each put: there is no right that says so.
   */
  grantAppend(role: iam.Role): void {
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ["dynamodb:Query", "dynamodb:PutItem"],
        resources: [this.table.tableArn],
      }),
    );
  }

  /** Lets a role remove records that snapshots have made superfluous, which is done in batches alone. */
  grantTrim(role: iam.Role): void {
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ["dynamodb:BatchWriteItem"],
        resources: [this.table.tableArn],
      }),
    );
  }
}

function billingOf(
  capacity: JournalCapacity,
): Pick<dynamodb.TableProps, "billingMode" | "readCapacity" | "writeCapacity"> {
  if (capacity === "on-demand") return { billingMode: dynamodb.BillingMode.PAY_PER_REQUEST };
  const { minWrites, minReads } = capacity;
  return { billingMode: dynamodb.BillingMode.PROVISIONED, readCapacity: minReads, writeCapacity: minWrites };
}
