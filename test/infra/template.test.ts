import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { DEPLOY_PROFILES, type DeployProfile } from "#lib/config/deploy-settings.ts";
import { SERVE_OPTIONS, type ServeOptionName } from "#lib/config/serve-options.ts";
import { FUNCTION_NAMES } from "../../infra/bundle-functions.ts";
import { synthesize, templateOf } from "./synthesized.ts";

/** Besides brokers, which do all that functions do. */
const DELETING_ROLES = ["GarbageRole", "HousekeeperRole"];

const plain = synthesize();
const full = synthesize({
  httpApi: true,
  dashboard: true,
  gatewayBrokers: 3,
  functionUrlAuth: "iam",
  architecture: "x86_64",
  deletionProtection: false,
  ipAllow: "203.0.113.0/24,198.51.100.7",
});
const fixed = synthesize({
  profile: "single",
  journalCapacity: { minWrites: 30, maxWrites: 30, minReads: 10, maxReads: 10 },
});
const named = synthesize({ profile: "replicated", gatewayBrokers: 3, gatewayAddress: "dns" });
const provisioned = synthesize({
  profile: "single",
  journalCapacity: '{"minWrites":20,"maxWrites":200,"minReads":3,"targetPercent":80}',
});

function resourcesOf(profile: DeployProfile, type: string, from = plain): readonly Record<string, unknown>[] {
  return Object.values(templateOf(from, profile).findResources(type));
}

/** Every statement of every policy, with the name of what it is attached to. */
function statementsOf(profile: DeployProfile, from = plain) {
  return Object.values(templateOf(from, profile).findResources("AWS::IAM::Policy")).flatMap(({ Properties }) =>
    [Properties.PolicyDocument.Statement].flat().map((statement) => ({
      role: String(Properties.Roles[0].Ref),
      actions: [statement.Action].flat().map(String),
      resources: [statement.Resource].flat().map((resource) => JSON.stringify(resource)),
    })),
  );
}

describe.each(DEPLOY_PROFILES)("profile %s", (profile) => {
  test("has its buckets, and none goes with the stack", () => {
    const type = profile === "express" ? "AWS::S3Express::DirectoryBucket" : "AWS::S3::Bucket";
    const buckets = resourcesOf(profile, type);
    expect(buckets).toHaveLength(profile === "single" ? 1 : 3);
    for (const bucket of buckets) {
      expect(bucket).toMatchObject({ DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
    }
  });

  test("has no rule that takes an object away, only one that ends abandoned uploads", () => {
    const type = profile === "express" ? "AWS::S3Express::DirectoryBucket" : "AWS::S3::Bucket";
    for (const { Properties } of Object.values(templateOf(plain, profile).findResources(type))) {
      expect(Properties.LifecycleConfiguration.Rules).toEqual([
        { Status: "Enabled", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
      ]);
    }
  });

  test("has one table of journals, paid by the request, that can be set back and cannot be deleted", () => {
    templateOf(plain, profile).hasResource("AWS::DynamoDB::Table", {
      DeletionPolicy: "Retain",
      UpdateReplacePolicy: "Retain",
      Properties: {
        AttributeDefinitions: [
          { AttributeName: "journal", AttributeType: "S" },
          { AttributeName: "seq", AttributeType: "N" },
        ],
        KeySchema: [
          { AttributeName: "journal", KeyType: "HASH" },
          { AttributeName: "seq", KeyType: "RANGE" },
        ],
        BillingMode: "PAY_PER_REQUEST",
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        DeletionProtectionEnabled: true,
        TimeToLiveSpecification: Match.absent(),
      },
    });
  });

  test("has ten functions of Node 24 on arm64, each with its settings", () => {
    const functions = Object.values(templateOf(plain, profile).findResources("AWS::Lambda::Function"));
    expect(functions.map(({ Properties }) => Properties.Handler).toSorted()).toEqual(
      FUNCTION_NAMES.map((name) => `${name}.handler`).toSorted(),
    );
    for (const { Properties } of functions) {
      expect(Properties).toMatchObject({ Runtime: "nodejs24.x", Architectures: ["arm64"] });
      expect(Properties.LoggingConfig).toMatchObject({ LogFormat: "JSON", SystemLogLevel: "WARN" });
      const { Variables } = Properties.Environment;
      expect(Variables.MILLRACE_AUTH).toBe("keys");
      expect(JSON.stringify(Variables.MILLRACE_STORES).match(/s3:\/\//g)).toHaveLength(profile === "single" ? 1 : 3);
      expect(Variables.MILLRACE_TABLE).toBeDefined();
    }
  });

  test("gives the four doors a URL each, and the schedules none", () => {
    const template = templateOf(plain, profile);
    template.resourceCountIs("AWS::Lambda::Url", 4);
    template.allResourcesProperties("AWS::Lambda::Url", { AuthType: "NONE", InvokeMode: "BUFFERED" });
    template.hasOutput("HttpUrl", {});
    for (const door of ["Produce", "Fetch", "Consumers", "Admin"]) template.hasOutput(`${door}Url`, {});
  });

  test("lets everybody call a door by its URL, and by nothing else", () => {
    const permissions = Object.values(templateOf(plain, profile).findResources("AWS::Lambda::Permission"));
    const open = permissions.filter(({ Properties }) => Properties.Principal === "*");
    // AWS asks for both rights since October 2025.
    expect(open).toHaveLength(8);
    for (const { Properties } of open) {
      const isByUrl = Properties.FunctionUrlAuthType === "NONE" || Properties.InvokedViaFunctionUrl === true;
      expect(isByUrl).toBe(true);
    }
  });

  test("calls the scheduled functions each minute or each five, and never a second time for the same one", () => {
    const template = templateOf(plain, profile);
    const rules = Object.values(template.findResources("AWS::Events::Rule"));
    const schedules = rules.map(({ Properties }) => {
      const [target] = Properties.Targets;
      const name = shortName(target.Arn["Fn::GetAtt"][0]);
      return `${name} ${Properties.ScheduleExpression}`;
    });
    expect(schedules.toSorted()).toEqual([
      "Cleaner rate(5 minutes)",
      "Compactor rate(5 minutes)",
      "Expirer rate(1 minute)",
      "Garbage rate(5 minutes)",
      "Housekeeper rate(1 minute)",
      "Retention rate(5 minutes)",
    ]);
    template.allResourcesProperties("AWS::Events::Rule", {
      State: "ENABLED",
      Targets: [Match.objectLike({ RetryPolicy: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 } })],
    });
  });

  test("gives whoever makes segments room for them, and no worker so much time that its next call comes meanwhile", () => {
    const functions = Object.values(templateOf(plain, profile).findResources("AWS::Lambda::Function"));
    const specs = functions.map(
      ({ Properties: { Handler, MemorySize, Timeout } }) => `${Handler} ${MemorySize} ${Timeout}`,
    );
    for (const spec of ["compactor.handler 1024 280", "cleaner.handler 1536 280", "garbage.handler 1024 280"]) {
      expect(specs).toContain(spec);
    }
  });

  test("names no action and no resource by a wildcard, but for the keys of objects", () => {
    for (const { role, actions, resources } of statementsOf(profile)) {
      expect(actions.filter((action) => action.includes("*"))).toEqual([]);
      for (const resource of resources.filter((text) => text.includes("*"))) {
        const mayDelete = DELETING_ROLES.includes(shortName(role));
        expect(actions).toEqual([...(mayDelete ? ["s3:DeleteObject"] : []), "s3:GetObject", "s3:PutObject"]);
        expect(resource).toMatch(/^\{"Fn::Join":\["",\[\{"Fn::GetAtt":\["[A-Za-z0-9]+","Arn"\]\},"\/\*"\]\]\}$/);
      }
    }
  });

  test("lets only the housekeeper remove records, only it and the garbage collector objects, and nobody change a bucket or the table", () => {
    const statements = statementsOf(profile);
    const rolesThat = (pattern: RegExp) =>
      new Set(
        statements.filter(({ actions }) => actions.some((action) => pattern.test(action))).map(({ role }) => role),
      );
    expect([...rolesThat(/^dynamodb:(?:Delete|BatchWrite)/)].map(shortName).toSorted()).toEqual(["HousekeeperRole"]);
    expect(rolesThat(/^dynamodb:(?:Query|PutItem)$/).size).toBe(FUNCTION_NAMES.length);
    const isExpress = profile === "express";
    const deleting = [...rolesThat(/^s3:DeleteObject$/)].map(shortName).toSorted();
    expect(deleting).toEqual(isExpress ? [] : DELETING_ROLES);
    const others =
      /^(?:s3:(?!GetObject$|PutObject$|DeleteObject$|ListBucket$)|dynamodb:(?!Query$|PutItem$|BatchWriteItem$))/;
    expect([...rolesThat(others)]).toEqual([]);
    if (isExpress) expect(rolesThat(/^s3express:CreateSession$/).size).toBe(FUNCTION_NAMES.length);
  });

  test("has ten alarms: doors, housekeeper and expirer, the workers together, throttling, a housekeeper that is not called", () => {
    const template = templateOf(plain, profile);
    template.resourceCountIs("AWS::CloudWatch::Alarm", 10);
    template.hasResourceProperties("AWS::CloudWatch::Alarm", {
      ComparisonOperator: "LessThanThreshold",
      MetricName: "Invocations",
      TreatMissingData: "breaching",
    });
  });

  test("keeps logs for two weeks, in groups of its own", () => {
    const template = templateOf(plain, profile);
    template.resourceCountIs("AWS::Logs::LogGroup", FUNCTION_NAMES.length);
    template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 14 });
  });

  test("has neither gateway, HTTP API nor dashboard unless asked for", () => {
    const template = templateOf(plain, profile);
    for (const type of ["AWS::ECS::Service", "AWS::EC2::VPC", "AWS::ApiGatewayV2::Api", "AWS::CloudWatch::Dashboard"]) {
      template.resourceCountIs(type, 0);
    }
  });
});

describe("buckets of S3 Standard", () => {
  test("are private, encrypted and without versions", () => {
    templateOf(plain, "replicated").allResourcesProperties("AWS::S3::Bucket", {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
      VersioningConfiguration: Match.absent(),
    });
  });

  test("refuse plain HTTP and old TLS", () => {
    const template = templateOf(plain, "replicated");
    template.resourceCountIs("AWS::S3::BucketPolicy", 3);
    template.allResourcesProperties("AWS::S3::BucketPolicy", {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: "Deny", Action: "s3:*", Condition: { Bool: { "aws:SecureTransport": "false" } } }),
          Match.objectLike({ Effect: "Deny", Condition: { NumericLessThan: { "s3:TlsVersion": 1.2 } } }),
        ]),
      },
    });
  });
});

describe("directory buckets", () => {
  test("lie in three zones, encrypted, and refuse plain HTTP", () => {
    const template = templateOf(plain, "express");
    const buckets = Object.values(template.findResources("AWS::S3Express::DirectoryBucket"));
    expect(buckets.map(({ Properties }) => Properties.LocationName)).toEqual(["use1-az4", "use1-az5", "use1-az6"]);
    template.allResourcesProperties("AWS::S3Express::DirectoryBucket", {
      DataRedundancy: "SingleAvailabilityZone",
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
    });
    template.resourceCountIs("AWS::S3Express::BucketPolicy", 3);
  });
});

describe("with journals that are paid by the hour", () => {
  const template = templateOf(provisioned, "single");

  test("the table begins at the least capacity, and all else of it is as ever", () => {
    const type = "AWS::DynamoDB::Table";
    const [table] = resourcesOf("single", type, provisioned).map(({ Properties }) => ({ ...Object(Properties) }));
    const [other] = resourcesOf("single", type).map(({ Properties }) => ({ ...Object(Properties) }));
    const { ProvisionedThroughput, ...rest } = table;
    const { BillingMode, ...otherRest } = other;
    expect(ProvisionedThroughput).toEqual({ ReadCapacityUnits: 3, WriteCapacityUnits: 20 });
    expect(BillingMode).toBe("PAY_PER_REQUEST");
    expect(rest).toEqual(otherRest);
  });

  test("writes and reads follow the load within their bounds", () => {
    template.resourceCountIs("AWS::ApplicationAutoScaling::ScalableTarget", 2);
    template.resourceCountIs("AWS::ApplicationAutoScaling::ScalingPolicy", 2);
    const bounds = { WriteCapacityUnits: [20, 200], ReadCapacityUnits: [3, 500] };
    for (const [dimension, [MinCapacity, MaxCapacity]] of Object.entries(bounds)) {
      template.hasResourceProperties("AWS::ApplicationAutoScaling::ScalableTarget", {
        ServiceNamespace: "dynamodb",
        ScalableDimension: `dynamodb:table:${dimension}`,
        MinCapacity,
        MaxCapacity,
      });
    }
    for (const kind of ["Write", "Read"]) {
      template.hasResourceProperties("AWS::ApplicationAutoScaling::ScalingPolicy", {
        PolicyType: "TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration: {
          PredefinedMetricSpecification: { PredefinedMetricType: `DynamoDB${kind}CapacityUtilization` },
          TargetValue: 80,
        },
      });
    }
  });

  test("nothing scales a table whose bounds are the same, or that is paid by the request", () => {
    templateOf(fixed, "single").hasResourceProperties("AWS::DynamoDB::Table", {
      ProvisionedThroughput: { ReadCapacityUnits: 10, WriteCapacityUnits: 30 },
    });
    for (const from of [plain, fixed]) {
      templateOf(from, "single").resourceCountIs("AWS::ApplicationAutoScaling::ScalableTarget", 0);
    }
  });
});

describe("with everything that can be asked for", () => {
  const template = templateOf(full, "replicated");

  test("function URLs ask for a signature, functions run on x86_64, and the table may be deleted", () => {
    template.allResourcesProperties("AWS::Lambda::Url", { AuthType: "AWS_IAM" });
    template.allResourcesProperties("AWS::Lambda::Function", { Architectures: ["x86_64"] });
    template.hasResourceProperties("AWS::DynamoDB::Table", { DeletionProtectionEnabled: false });
  });

  test("functions know which addresses may call", () => {
    template.allResourcesProperties("AWS::Lambda::Function", {
      Environment: { Variables: Match.objectLike({ MILLRACE_IP_ALLOW: "203.0.113.0/24,198.51.100.7" }) },
    });
  });

  test("an HTTP API sends producers, readers and consumers to their functions, and the rest to admin", () => {
    const routes = Object.values(template.findResources("AWS::ApiGatewayV2::Route"));
    expect(routes.map(({ Properties }) => Properties.RouteKey).toSorted()).toEqual([
      "$default",
      "ANY /consumers/{proxy+}",
      "GET /v1/topics/{proxy+}",
      "POST /topics/{proxy+}",
      "POST /v1/topics/{proxy+}",
      "POST /v3/clusters/{cluster}/topics/{topic}/records",
    ]);
    template.hasResourceProperties("AWS::ApiGatewayV2::Stage", {
      StageName: "$default",
      AccessLogSettings: Match.anyValue(),
    });
  });

  test("three brokers are three services of one task, whose old process ends before the new one begins", () => {
    template.resourceCountIs("AWS::ECS::Service", 3);
    template.allResourcesProperties("AWS::ECS::Service", {
      DesiredCount: 1,
      LaunchType: "FARGATE",
      DeploymentConfiguration: Match.objectLike({ MinimumHealthyPercent: 0, MaximumPercent: 100 }),
    });
  });

  test("each broker has a port of its own at one internal load balancer, and knows its own address", () => {
    template.hasResourceProperties("AWS::ElasticLoadBalancingV2::LoadBalancer", {
      Scheme: "internal",
      Type: "network",
    });
    template.resourceCountIs("AWS::ElasticLoadBalancingV2::LoadBalancer", 1);
    const listeners = Object.values(template.findResources("AWS::ElasticLoadBalancingV2::Listener"));
    expect(listeners.map(({ Properties }) => Properties.Port).toSorted()).toEqual([9092, 9093, 9094]);
    const tasks = Object.values(template.findResources("AWS::ECS::TaskDefinition"));
    const commands = tasks.map(({ Properties }) => Properties.ContainerDefinitions[0].Command);
    for (const [brokerId, command] of commands.entries()) {
      expect(command[command.indexOf("--broker-id") + 1]).toBe(String(brokerId));
      expect(command[command.indexOf("--kafka") + 1]).toBe(`0.0.0.0:${9092 + brokerId}`);
      expect(JSON.stringify(command[command.indexOf("--advertise") + 1])).toMatch(new RegExp(`:${9092 + brokerId}"`));
      expect(command.filter((word: unknown) => word === "--store")).toHaveLength(3);
      const flags = command.filter((word: unknown) => typeof word === "string" && word.startsWith("--"));
      const known = SERVE_OPTIONS.map(({ name }) => `--${name}`);
      expect(flags.filter((flag: `--${ServeOptionName}`) => !known.includes(flag))).toEqual([]);
    }
  });

  test("nobody outside the VPC reaches a broker", () => {
    const groups = Object.values(template.findResources("AWS::EC2::SecurityGroup"));
    const rules = groups.flatMap(({ Properties }) => Properties.SecurityGroupIngress ?? []);
    expect(JSON.stringify(rules)).not.toMatch(/0\.0\.0\.0\/0|::\/0/);
    expect(rules).toHaveLength(1);
    const ingress = Object.values(template.findResources("AWS::EC2::SecurityGroupIngress"));
    expect(ingress).toHaveLength(3);
    for (const { Properties } of ingress) expect(Properties.SourceSecurityGroupId).toBeDefined();
  });

  test("S3 and DynamoDB are reached from the VPC without a gateway that is paid for", () => {
    template.resourceCountIs("AWS::EC2::NatGateway", 0);
    template.resourceCountIs("AWS::EC2::VPCEndpoint", 2);
    template.resourceCountIs("AWS::EC2::Subnet", 3);
  });

  test("the dashboard is there", () => {
    template.resourceCountIs("AWS::CloudWatch::Dashboard", 1);
  });
});

describe("with brokers that are reached by their names", () => {
  const template = templateOf(named, "replicated");

  test("there is no load balancer, and each broker has a name in the VPC and tells clients of it", () => {
    template.resourceCountIs("AWS::ElasticLoadBalancingV2::LoadBalancer", 0);
    template.hasResourceProperties("AWS::ServiceDiscovery::PrivateDnsNamespace", {
      Name: "millrace-replicated.internal",
    });
    const names = Object.values(template.findResources("AWS::ServiceDiscovery::Service"));
    expect(names.map(({ Properties }) => Properties.Name).toSorted()).toEqual(["broker-0", "broker-1", "broker-2"]);
    for (const { Properties } of names) expect(Properties.DnsConfig.DnsRecords).toEqual([{ TTL: 10, Type: "A" }]);
    const services = Object.values(template.findResources("AWS::ECS::Service"));
    for (const { Properties } of services) expect(Properties.ServiceRegistries).toHaveLength(1);
    expect(services).toHaveLength(3);
    const tasks = Object.values(template.findResources("AWS::ECS::TaskDefinition"));
    for (const [brokerId, { Properties }] of tasks.entries()) {
      const command = Properties.ContainerDefinitions[0].Command;
      const advertised = command[command.indexOf("--advertise") + 1];
      expect(advertised).toBe(`broker-${brokerId}.millrace-replicated.internal:${9092 + brokerId}`);
    }
  });

  test("the VPC resolves private names", () => {
    template.hasResourceProperties("AWS::EC2::VPC", { EnableDnsSupport: true, EnableDnsHostnames: true });
  });

  test("no resolver keeps for long that a broker which is being replaced has no address", () => {
    template.hasResourceProperties("AWS::ServiceDiscovery::PrivateDnsNamespace", {
      Properties: { DnsProperties: { SOA: { TTL: 10 } } },
    });
  });

  test("a broker that takes no connections is found out by its container's check", () => {
    const tasks = Object.values(template.findResources("AWS::ECS::TaskDefinition"));
    for (const [brokerId, { Properties }] of tasks.entries()) {
      const { Command, Retries } = Properties.ContainerDefinitions[0].HealthCheck;
      expect(Command.slice(0, 3)).toEqual(["CMD", "node", "-e"]);
      expect(Command[3]).toContain(`connect(${9092 + brokerId}, `);
      expect(Retries).toBe(3);
    }
    const registries = Object.values(template.findResources("AWS::ServiceDiscovery::Service"));
    for (const { Properties } of registries) expect(Properties.HealthCheckCustomConfig).toBeDefined();
  });

  test("a broker takes connections from the VPC alone, at its own port", () => {
    const groups = Object.values(template.findResources("AWS::EC2::SecurityGroup"));
    const rules = groups.flatMap(({ Properties }) => Properties.SecurityGroupIngress ?? []);
    expect(rules.map(({ FromPort, ToPort }) => [FromPort, ToPort])).toEqual(
      [9092, 9093, 9094].map((port) => [port, port]),
    );
    for (const { CidrIp } of rules) expect(JSON.stringify(CidrIp)).toMatch(/CidrBlock/);
    template.resourceCountIs("AWS::EC2::SecurityGroupIngress", 0);
  });
});

/** `HousekeeperRole` of `MillraceFunctionsHousekeeperRole1A2B3C4D`. */
function shortName(logicalId: string): string {
  return logicalId.replace(/^MillraceFunctions/, "").replace(/[0-9A-F]{8}$/, "");
}
