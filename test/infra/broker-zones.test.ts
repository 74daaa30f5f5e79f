import { App, Stack } from "aws-cdk-lib";
import type { Template } from "aws-cdk-lib/assertions";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { describe, expect, test } from "vitest";
import { SettingsError } from "#lib/config/serve-settings.ts";
import { BrokerPlaces, placesInGivenVpc } from "../../infra/broker-zones.ts";
import { Stores } from "../../infra/stores.ts";
import { synthesize, templateOf } from "./synthesized.ts";

const five = synthesize({ gatewayBrokers: 5 });
const pinned = synthesize({ profile: "replicated", gatewayBrokers: 3, gatewayZones: "use1-az1,use1-az2,use1-az2" });

interface Placed {
  readonly brokerId: number;
  /** Logical id of the one subnet that its task may run in. */
  readonly subnet: string;
  /** What `--rack` refers to. */
  readonly rack: unknown;
}

/** Each broker's task, by its service's subnet and its own command line. */
function placedIn(template: Template): readonly Placed[] {
  const tasks = template.findResources("AWS::ECS::TaskDefinition");
  return Object.values(template.findResources("AWS::ECS::Service"))
    .map(({ Properties }) => {
      const { Subnets } = Properties.NetworkConfiguration.AwsvpcConfiguration;
      expect(Subnets).toHaveLength(1);
      const command = tasks[Properties.TaskDefinition.Ref]?.["Properties"].ContainerDefinitions[0].Command;
      const after = (flag: string): unknown => command[command.indexOf(flag) + 1];
      return { brokerId: Number(after("--broker-id")), subnet: Subnets[0].Ref, rack: after("--rack") };
    })
    .toSorted((a, b) => a.brokerId - b.brokerId);
}

function zoneOf(template: Template, subnet: string): unknown {
  const { AvailabilityZone, AvailabilityZoneId } =
    template.findResources("AWS::EC2::Subnet")[subnet]?.["Properties"] ?? {};
  return AvailabilityZoneId ?? AvailabilityZone["Fn::Select"][0];
}

function zonesOfBrokers(template: Template): readonly unknown[] {
  return placedIn(template).map(({ subnet }) => zoneOf(template, subnet));
}

describe("a broker's task runs in one zone", () => {
  test("which is that of its directory bucket, the fourth and fifth broker with the first and second", () => {
    const template = templateOf(five, "express");
    expect(zonesOfBrokers(template)).toEqual(["use1-az4", "use1-az5", "use1-az6", "use1-az4", "use1-az5"]);
    for (const { Properties } of Object.values(template.findResources("AWS::EC2::Subnet"))) {
      expect(Properties.AvailabilityZone).toBeUndefined();
    }
  });

  test("which is the k-th of the region for those at home at the k-th of three buckets", () => {
    expect(zonesOfBrokers(templateOf(five, "replicated"))).toEqual([0, 1, 2, 0, 1]);
  });

  test("and those of a single bucket are spread over three", () => {
    expect(zonesOfBrokers(templateOf(five, "single"))).toEqual([0, 1, 2, 0, 1]);
  });

  test("which may be named by its id, also one for two stores", () => {
    const template = templateOf(pinned, "replicated");
    expect(zonesOfBrokers(template)).toEqual(["use1-az1", "use1-az2", "use1-az2"]);
    template.resourceCountIs("AWS::EC2::Subnet", 2);
  });

  test.each(["single", "replicated", "express"] as const)("and tells clients its name as its rack: %s", (profile) => {
    for (const { subnet, rack } of placedIn(templateOf(five, profile))) {
      expect(rack).toEqual({ "Fn::GetAtt": [subnet, "AvailabilityZone"] });
    }
  });

  test("from where directory buckets are reached inside AWS as well", () => {
    templateOf(five, "express").resourceCountIs("AWS::EC2::VPCEndpoint", 3);
  });
});

describe("in a VPC that was there before", () => {
  const stack = () => new Stack(new App(), "stack");
  const vpcIn = (scope: Stack) =>
    Vpc.fromVpcAttributes(scope, "Vpc", {
      vpcId: "vpc-1",
      availabilityZones: ["eu-west-1b", "eu-west-1c"],
      publicSubnetIds: ["public-b", "public-c"],
      privateSubnetIds: ["private-b", "private-c"],
    });
  const storesIn = (scope: Stack, profile: "replicated" | "express") =>
    new Stores(scope, "Stores", { profile, expressZones: ["euw1-az1", "euw1-az3"] });
  const told = (places: BrokerPlaces, count: number) =>
    Array.from({ length: count }, (_, brokerId) => {
      const { subnet, isPublic, rack } = places.of(brokerId);
      return [subnet.subnetId, isPublic, rack];
    });

  test("brokers run in its private subnets, at home by store id, even where there are fewer zones than buckets", () => {
    const scope = stack();
    const places = placesInGivenVpc(vpcIn(scope), { stores: storesIn(scope, "replicated"), subnets: undefined });
    expect(told(new BrokerPlaces(places, 3), 4)).toEqual([
      ["private-b", false, "eu-west-1b"],
      ["private-c", false, "eu-west-1c"],
      ["private-b", false, "eu-west-1b"],
      ["private-b", false, "eu-west-1b"],
    ]);
  });

  test("directory buckets need to be told its subnets, by store id", () => {
    const scope = stack();
    const [vpc, stores] = [vpcIn(scope), storesIn(scope, "express")];
    expect(() => placesInGivenVpc(vpc, { stores, subnets: undefined })).toThrow(SettingsError);
    const subnets = vpc.publicSubnets.toReversed();
    expect(told(new BrokerPlaces(placesInGivenVpc(vpc, { stores, subnets }), 2), 2)).toEqual([
      ["public-c", true, "eu-west-1c"],
      ["public-b", true, "eu-west-1b"],
    ]);
  });

  test("a VPC without a subnet for brokers is refused", () => {
    const scope = stack();
    const vpc = Vpc.fromVpcAttributes(scope, "Vpc", { vpcId: "vpc-1", availabilityZones: ["a"] });
    expect(() => placesInGivenVpc(vpc, { stores: storesIn(scope, "replicated"), subnets: [] })).toThrow(SettingsError);
  });
});
