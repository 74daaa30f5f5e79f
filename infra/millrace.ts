import * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sns from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { type DeployProfile, type DeploySettings, parseDeploySettings } from "#lib/config/deploy-settings.ts";
import { sharedFunctionBundle } from "./bundle-functions.ts";
import { type DoorName, Functions } from "./functions.ts";
import { Gateway, type GatewayProps } from "./gateway.ts";
import { HttpApi } from "./http-api.ts";
import { JournalTable } from "./journal-table.ts";
import { Stores } from "./stores.ts";
import { Watch } from "./watch.ts";

/** Everything but the profile has a default, the one of docs/DEPLOY.md. */
export interface MillraceProps extends Partial<Omit<DeploySettings, "profiles" | "gatewayBrokers">> {
  readonly profile: DeployProfile;
  /** Brokers for Kafka clients; none where left out. */
  readonly gateway?: Pick<GatewayProps, "brokers" | "domain" | "vpc" | "subnets" | "image">;
  /** Told of every alarm. */
  readonly alarmTopic?: sns.ITopic;
  /** A bundle made before by `bundleFunctions`; made anew from the sources where left out. */
  readonly functionsDirectory?: string;
}

/** A whole Millrace: stores, journals, functions with HTTPS, and what was asked for beside them. */
export class Millrace extends Construct {
  readonly stores: Stores;
  readonly journals: JournalTable;
  readonly functions: Functions;
  readonly gateway: Gateway | undefined;
  /** Where HTTP clients go. */
  readonly httpUrl: string;

  constructor(scope: Construct, id: string, props: MillraceProps) {
    super(scope, id);
    const { profile, gateway, alarmTopic, functionsDirectory, ...given } = props;
    const settings = parseDeploySettings({ ...given, profile: [profile] });
    const { architecture, alarms, dashboard, deletionProtection } = settings;
    this.stores = new Stores(this, "Stores", { profile, expressZones: settings.expressZones });
    this.journals = new JournalTable(this, "Journals", { deletionProtection, capacity: settings.journalCapacity });
    const { stores, journals } = this;
    const code = lambda.Code.fromAsset(functionsDirectory ?? sharedFunctionBundle(architecture).directory);
    this.functions = new Functions(this, "Functions", { code, architecture, stores, journals, access: settings });
    const { functions } = this;
    this.httpUrl = settings.httpApi ? new HttpApi(this, "HttpApi", functions).url : functions.url("produce");
    new Watch(this, "Watch", {
      functions,
      journals,
      alarms,
      dashboard,
      ...(alarmTopic === undefined ? {} : { alarmTopic }),
    });
    const { gatewayAddress: address, gatewayZones: zones } = settings;
    this.gateway =
      gateway === undefined
        ? undefined
        : new Gateway(this, "Gateway", { ...gateway, address, zones, stores, journals, architecture });
  }

  /** Each door serves the whole app; one of its own lets a client's calls scale and be watched by themselves. */
  urlOf(door: DoorName): string {
    return this.functions.url(door);
  }
}
