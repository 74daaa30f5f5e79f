import { Duration, Stack, Token } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as ecs from "aws-cdk-lib/aws-ecs";
import * as servicediscovery from "aws-cdk-lib/aws-servicediscovery";
import { Construct } from "constructs";
import { SettingsError } from "#lib/config/serve-settings.ts";

export interface BrokerNamesProps {
  readonly vpc: ec2.IVpc;
  /** The domain that the names end with; `STACK.internal` where none is given. No two in a VPC may be the same. */
  readonly domain?: string | undefined;
}

/** How long a resolver may keep a broker's address, or that there is none while a broker is replaced. */
const CACHED_SECONDS = 10;
/** RFC 1035, section 2.3.4. */
const LABEL_CHARS_MAX = 63;
const DOMAIN_CHARS_MAX = 253;
const LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i;

/**
 * A name for each broker that only the VPC knows. ECS enters the address of the task when it starts, and takes it out before
 * it ends the task, or when the container's check has failed. Between an old task and its successor the name has no address;
 * while the new one starts it may have one that takes no connections yet.
 */
export class BrokerNames extends Construct {
  readonly #namespace: servicediscovery.PrivateDnsNamespace;
  readonly #domain: string;

  constructor(scope: Construct, id: string, { vpc, domain = domainOf(scope) }: BrokerNamesProps) {
    super(scope, id);
    assertDomain(domain);
    this.#domain = domain;
    this.#namespace = new servicediscovery.PrivateDnsNamespace(this, "Namespace", {
      name: domain,
      description: "Millrace: brokers by their ids",
      vpc,
    });
    const { defaultChild } = this.#namespace.node;
    if (defaultChild instanceof servicediscovery.CfnPrivateDnsNamespace) {
      defaultChild.properties = { dnsProperties: { soa: { ttl: CACHED_SECONDS } } };
    }
  }

  hostOf(brokerId: number): string {
    return `${labelOf(brokerId)}.${this.#domain}`;
  }

  optionsOf(brokerId: number): ecs.CloudMapOptions {
    return {
      cloudMapNamespace: this.#namespace,
      name: labelOf(brokerId),
      dnsRecordType: servicediscovery.DnsRecordType.A,
      dnsTtl: Duration.seconds(CACHED_SECONDS),
    };
  }
}

/** Whether the broker takes connections, as a load balancer would find out; else ECS knows only that its process runs. */
export function connectCheck(port: number): ecs.HealthCheck {
  const socket = `process.getBuiltinModule("node:net").connect(${port}, "127.0.0.1")`;
  return {
    command: ["CMD", "node", "-e", `${socket}.on("connect", () => process.exit(0)).on("error", () => process.exit(1))`],
    interval: Duration.seconds(10),
    timeout: Duration.seconds(10),
    retries: 3,
    startPeriod: Duration.seconds(60),
  };
}

function labelOf(brokerId: number): string {
  return `broker-${brokerId}`;
}

/** A nested stack's name is made when it is deployed, when nobody can be told that it is no domain. */
function domainOf(scope: Construct): string {
  const { stackName } = Stack.of(scope);
  if (!Token.isUnresolved(stackName)) return `${stackName}.internal`;
  throw new SettingsError("gateway: a nested stack has no name yet that brokers could have theirs from: give a domain");
}

function assertDomain(domain: string): void {
  const labels = domain.split(".");
  const isUsable = labels.every((label) => label.length <= LABEL_CHARS_MAX && LABEL.test(label));
  if (isUsable && labels.length > 1 && domain.length + ".broker-00".length <= DOMAIN_CHARS_MAX) return;
  throw new SettingsError(
    `gateway: ${JSON.stringify(domain)} cannot be the domain of the brokers' names: it takes labels of ${LABEL_CHARS_MAX} ` +
      "letters, digits and hyphens at most, with no hyphen at an end; give another domain or stack name",
  );
}
