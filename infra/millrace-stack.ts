import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { DOOR_NAMES, pascal } from "./functions.ts";
import { Millrace, type MillraceProps } from "./millrace.ts";

/** One deployment by itself, with its addresses as outputs. */
export class MillraceStack extends Stack {
  readonly millrace: Millrace;

  constructor(scope: Construct, id: string, props: StackProps & { readonly millrace: MillraceProps }) {
    super(scope, id, props);
    this.millrace = new Millrace(this, "Millrace", props.millrace);
    const { httpUrl, stores, journals, gateway } = this.millrace;
    const output = (name: string, value: string, description: string): void => {
      new CfnOutput(this, name, { value, description });
    };
    output("HttpUrl", httpUrl, "Base URL of the HTTP API: millrace --url");
    for (const door of DOOR_NAMES) {
      output(`${pascal(door)}Url`, this.millrace.urlOf(door), `The function ${door}; it serves the whole HTTP API`);
    }
    output("Stores", stores.urls.join(","), "Buckets by store id: millrace serve --store");
    output("JournalTable", journals.table.tableName, "millrace serve --journal dynamodb://TABLE");
    if (gateway !== undefined) {
      output("BootstrapServers", gateway.bootstrapServers, "For Kafka clients inside the VPC");
    }
  }
}
