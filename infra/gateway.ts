import { fileURLToPath } from "node:url";
import { Duration, IgnoreMode, RemovalPolicy, Validations } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import { Platform } from "aws-cdk-lib/aws-ecr-assets";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as elb from "aws-cdk-lib/aws-elasticloadbalancingv2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { GatewayAddress } from "#lib/config/deploy-settings.ts";
import { BrokerNames, connectCheck } from "./broker-names.ts";
import { type BrokerPlace, BrokerPlaces, placesInGivenVpc, placesInNewVpc, zonesOfNewVpc } from "./broker-zones.ts";
import type { JournalTable } from "./journal-table.ts";
import type { Architecture } from "./native-packages.ts";
import type { Stores } from "./stores.ts";

export interface GatewayProps {
  readonly stores: Stores;
  readonly journals: JournalTable;
  readonly architecture: Architecture;
  /** Brokers with ids 0 to n - 1; broker k is homed at store k mod the number of stores, and runs in that store's zone. */
  readonly brokers: number;
  /** `dns`: clients reach each broker itself, by a name in the VPC; nothing is charged by the byte within a zone. */
  readonly address: GatewayAddress;
  /** With `dns`: what the names end with, such as `kafka.internal`; `STACK.internal` where none is given. */
  readonly domain?: string;
  /** Where clients are. One is made where none is given: it costs nothing by itself. */
  readonly vpc?: ec2.IVpc;
  /** Where brokers run in a VPC that is given, by the id of the store at home; one subnet in each of its zones where left out. */
  readonly subnets?: readonly ec2.ISubnet[];
  /** Ids of the zones of a VPC that is made here, by store id. Where there are none: those of directory buckets, or the region's. */
  readonly zones?: readonly string[];
  /** What runs, with `node` in its path; built from the checkout by infra/gateway/Dockerfile where none is given, which needs Docker. */
  readonly image?: ecs.ContainerImage;
}

/** What clients are told to go to. */
type Front =
  | { readonly kind: "load balancer"; readonly loadBalancer: elb.NetworkLoadBalancer }
  | { readonly kind: "names"; readonly names: BrokerNames };

/** Broker k has this port plus k, at the load balancer and in its container. */
const FIRST_PORT = 9092;
const CPU_UNITS = 1024;
const MEMORY_MIB = 2048;
/** Requests under way get 10 s at the doors and 10 s in the log (`--drain-ms`), and something is left for the rest. */
const STOP_SECONDS = 30;

/**
 * Kafka clients' way in, inside a VPC: one service of one task for each broker, for a broker is told from the others by its
 * address, which is a port on one internal load balancer or a name of its own. Not to be reached from outside: the Kafka door
 * has neither TLS nor SASL here.
 */
export class Gateway extends Construct {
  /** For `bootstrap.servers`. */
  readonly bootstrapServers: string;
  readonly vpc: ec2.IVpc;
  readonly #props: GatewayProps;
  readonly #front: Front;
  readonly #cluster: ecs.Cluster;
  readonly #role: iam.Role;
  readonly #places: BrokerPlaces;

  constructor(scope: Construct, id: string, props: GatewayProps) {
    super(scope, id);
    this.#props = props;
    const { stores, subnets } = props;
    const { vpc, places } =
      props.vpc === undefined
        ? this.#newVpc()
        : { vpc: props.vpc, places: placesInGivenVpc(props.vpc, { stores, subnets }) };
    this.vpc = vpc;
    this.#places = new BrokerPlaces(places, stores.stores.length);
    this.#cluster = new ecs.Cluster(this, "Cluster", { vpc: this.vpc });
    Validations.of(this.#cluster).acknowledge({
      id: "AwsSolutions-ECS4",
      reason: "Container Insights is charged by the metric; a broker's figures are at its own /metrics.",
    });
    this.#role = new iam.Role(this, "TaskRole", {
      assumedBy: new iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
      description: "Millrace gateway: what its brokers may do",
    });
    props.stores.grantUse(this.#role);
    props.stores.grantDelete(this.#role);
    props.journals.grantAppend(this.#role);
    props.journals.grantTrim(this.#role);
    this.#front =
      props.address === "dns"
        ? { kind: "names", names: new BrokerNames(this, "Names", { vpc: this.vpc, domain: props.domain }) }
        : { kind: "load balancer", loadBalancer: this.#newLoadBalancer() };
    const image = props.image ?? imageFromCheckout(props.architecture);
    for (let brokerId = 0; brokerId < props.brokers; brokerId++) this.#addBroker(brokerId, image);
    const addresses = Array.from({ length: props.brokers }, (_, brokerId) => this.#addressOf(brokerId));
    this.bootstrapServers = addresses.join(",");
  }

  #addressOf(brokerId: number): string {
    const front = this.#front;
    const host = front.kind === "names" ? front.names.hostOf(brokerId) : front.loadBalancer.loadBalancerDnsName;
    return `${host}:${FIRST_PORT + brokerId}`;
  }

  /** Subnets with a route out and no way in; S3 and DynamoDB are reached inside AWS, without a charge. */
  #newVpc(): { readonly vpc: ec2.IVpc; readonly places: readonly BrokerPlace[] } {
    const { zones = [], stores } = this.#props;
    const zoneIds = zones.length > 0 ? zones : stores.zoneIds;
    const vpc = new ec2.Vpc(this, "Vpc", {
      availabilityZones: zonesOfNewVpc(this, zoneIds),
      natGateways: 0,
      subnetConfiguration: [{ name: "Brokers", subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
      gatewayEndpoints: {
        S3: { service: ec2.GatewayVpcEndpointAwsService.S3 },
        DynamoDb: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB },
        ...(stores.zoneIds.length > 0 ? { S3Express: { service: ec2.GatewayVpcEndpointAwsService.S3_EXPRESS } } : {}),
      },
    });
    Validations.of(vpc).acknowledge({
      id: "AwsSolutions-VPC7",
      reason:
        "Flow logs are charged by the gigabyte and would hold every fetch; add them to a VPC of your own if wanted.",
    });
    return { vpc: withoutGaps<ec2.IVpc>(vpc), places: placesInNewVpc(vpc, zoneIds) };
  }

  #newLoadBalancer(): elb.NetworkLoadBalancer {
    const securityGroup = new ec2.SecurityGroup(this, "LoadBalancerGroup", {
      vpc: this.vpc,
      description: "Millrace: Kafka clients of the VPC",
      allowAllOutbound: false,
    });
    const ports = ec2.Port.tcpRange(FIRST_PORT, FIRST_PORT + this.#props.brokers - 1);
    this.#allowVpc(securityGroup, ports);
    const loadBalancer = new elb.NetworkLoadBalancer(this, "LoadBalancer", {
      vpc: this.vpc,
      internetFacing: false,
      crossZoneEnabled: true,
      securityGroups: [securityGroup],
    });
    Validations.of(loadBalancer).acknowledge({
      id: "AwsSolutions-ELB2",
      reason: "A network load balancer writes access logs for TLS listeners alone, and these are plain TCP.",
    });
    return loadBalancer;
  }

  #allowVpc(securityGroup: ec2.SecurityGroup, ports: ec2.Port): void {
    securityGroup.addIngressRule(ec2.Peer.ipv4(this.vpc.vpcCidrBlock), ports, "Kafka clients of the VPC");
    Validations.of(securityGroup).acknowledge({
      id: "AwsSolutions-EC23",
      reason: "The one rule names the VPC's own range, which is known at deployment only; the check cannot read it.",
    });
  }

  #addBroker(brokerId: number, image: ecs.ContainerImage): void {
    const port = FIRST_PORT + brokerId;
    const taskDefinition = this.#newTaskDefinition(brokerId, image);
    const securityGroup = new ec2.SecurityGroup(this, `Broker${brokerId}Group`, {
      vpc: this.vpc,
      description: `Millrace: broker ${brokerId}`,
    });
    const front = this.#front;
    if (front.kind === "names") this.#allowVpc(securityGroup, ec2.Port.tcp(port));
    else securityGroup.connections.allowFrom(front.loadBalancer, ec2.Port.tcp(port), "The load balancer");
    const { subnet, isPublic } = this.#places.of(brokerId);
    const service = new ecs.FargateService(this, `Broker${brokerId}`, {
      cluster: withoutGaps<ecs.ICluster>(this.#cluster),
      taskDefinition,
      desiredCount: 1,
      // Two processes must not be the same broker, so the old one ends before the new one begins.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      circuitBreaker: { enable: true, rollback: true },
      assignPublicIp: isPublic,
      vpcSubnets: { subnets: [subnet] },
      securityGroups: [securityGroup],
      ...(front.kind === "names" ? { cloudMapOptions: front.names.optionsOf(brokerId) } : {}),
    });
    if (front.kind === "load balancer") this.#addListener(front.loadBalancer, { brokerId, service });
  }

  #addListener(
    loadBalancer: elb.NetworkLoadBalancer,
    { brokerId, service }: { readonly brokerId: number; readonly service: ecs.FargateService },
  ): void {
    const port = FIRST_PORT + brokerId;
    const target = service.loadBalancerTarget({ containerName: "broker", containerPort: port });
    loadBalancer.addListener(`Kafka${brokerId}`, { port, protocol: elb.Protocol.TCP }).addTargets("Broker", {
      port,
      protocol: elb.Protocol.TCP,
      targets: [target],
      preserveClientIp: true,
      deregistrationDelay: Duration.seconds(STOP_SECONDS),
      healthCheck: { protocol: elb.Protocol.TCP, interval: Duration.seconds(10), healthyThresholdCount: 2 },
    });
  }

  #newTaskDefinition(brokerId: number, image: ecs.ContainerImage): ecs.FargateTaskDefinition {
    const { architecture, stores, journals } = this.#props;
    const { ARM64, X86_64 } = ecs.CpuArchitecture;
    const port = FIRST_PORT + brokerId;
    const executionRole = new iam.Role(this, `Broker${brokerId}ExecutionRole`, {
      assumedBy: new iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
      description: `Millrace broker ${brokerId}: pulls its image and writes its log`,
    });
    const taskDefinition = new ecs.FargateTaskDefinition(this, `Broker${brokerId}Task`, {
      cpu: CPU_UNITS,
      memoryLimitMiB: MEMORY_MIB,
      runtimePlatform: {
        cpuArchitecture: architecture === "arm64" ? ARM64 : X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: this.#role,
      executionRole,
    });
    const logGroup = new logs.LogGroup(this, `Broker${brokerId}Logs`, {
      retention: logs.RetentionDays.TWO_WEEKS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    taskDefinition.addContainer("broker", {
      image,
      command: [
        "serve",
        ...stores.urls.flatMap((url) => ["--store", url]),
        ...["--journal", `dynamodb://${journals.table.tableName}`],
        ...["--broker-id", String(brokerId)],
        ...["--rack", this.#places.of(brokerId).rack],
        ...["--kafka", `0.0.0.0:${port}`, "--advertise", this.#addressOf(brokerId)],
      ],
      portMappings: [{ containerPort: port }],
      ...(this.#front.kind === "names" ? { healthCheck: connectCheck(port) } : {}),
      logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: "broker" }),
      stopTimeout: Duration.seconds(STOP_SECONDS),
      readonlyRootFilesystem: true,
    });
    // The one call of a registry that names no repository: it gives out the token for all of them.
    Validations.of(executionRole).acknowledge({
      id: "AwsSolutions-IAM5[Resource::*]",
      reason: "ecr:GetAuthorizationToken has no resource to name; pulling the image is limited to its repository.",
    });
    return taskDefinition;
  }
}

/** The library's classes say `undefined` where its interfaces leave a property out; our compiler tells the two apart. */
function withoutGaps<T extends object>(made: T | { readonly [name in keyof T]: T[name] | undefined }): T {
  return made as T;
}

function imageFromCheckout(architecture: Architecture): ecs.ContainerImage {
  return ecs.ContainerImage.fromAsset(fileURLToPath(new URL("..", import.meta.url)), {
    file: "infra/gateway/Dockerfile",
    platform: architecture === "arm64" ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
    // Nothing but what the Dockerfile copies: the image changes when the product does.
    ignoreMode: IgnoreMode.DOCKER,
    exclude: ["*", "!bin", "!lib", "!infra/gateway/Dockerfile", "!package.json", "!package-lock.json", "!LICENSE"],
  });
}
