import { Fn, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { SettingsError } from "#lib/config/serve-settings.ts";
import type { Stores } from "./stores.ts";

/** Where a broker runs. */
export interface BrokerPlace {
  readonly subnet: ec2.ISubnet;
  /** Whether it is reached from outside by a route, so that a task needs an address of its own to get out. */
  readonly isPublic: boolean;
  /** The zone's name in this account, such as `us-east-1a`: what its clients find as their own zone and give as `client.rack`. */
  readonly rack: string;
}

/** Zones of a VPC that is made here, by their places in the region's list: nobody has to be asked for their names. */
const REGION_ZONES = 3;

/**
 * In which zone each broker runs: in that of the store where it is at home, so that it reads and writes there without
 * leaving the zone, and readers of its zone find it by its rack (KIP-392). A bucket of S3 Standard has no zone, for it lies in
 * several; with several buckets, the k-th stands for the k-th zone. The brokers of a single bucket are spread over all zones.
 */
export class BrokerPlaces {
  readonly #places: readonly BrokerPlace[];
  readonly #storeCount: number;

  constructor(places: readonly BrokerPlace[], storeCount: number) {
    this.#places = places;
    this.#storeCount = storeCount;
  }

  of(brokerId: number): BrokerPlace {
    const at = this.#storeCount === 1 ? brokerId : brokerId % this.#storeCount;
    const place = this.#places[at % this.#places.length];
    if (place === undefined) throw new Error("there is no place for brokers");
    return place;
  }
}

/** For a VPC that is made here, which takes names alone: `placesInNewVpc` puts the ids in their places. */
export function zonesOfNewVpc(scope: Construct, zoneIds: readonly string[]): string[] {
  const count = zoneIds.length === 0 ? REGION_ZONES : new Set(zoneIds).size;
  return Array.from({ length: count }, (_, at) => Fn.select(at % REGION_ZONES, Fn.getAzs(Stack.of(scope).region)));
}

/** The places in a VPC that was made with `zonesOfNewVpc`, whose subnets go to the zones with these ids now. */
export function placesInNewVpc(vpc: ec2.Vpc, zoneIds: readonly string[]): readonly BrokerPlace[] {
  const ids = [...new Set(zoneIds)];
  const places = vpc.publicSubnets.map((subnet, at) => {
    const { defaultChild } = subnet.node;
    if (!(defaultChild instanceof ec2.CfnSubnet)) throw new Error("a subnet has its resource");
    const id = ids[at];
    if (id !== undefined) {
      // A name means another zone in each account, and the construct takes nothing else.
      defaultChild.availabilityZone = undefined;
      defaultChild.availabilityZoneId = id;
    }
    return { subnet, isPublic: true, rack: defaultChild.attrAvailabilityZone };
  });
  if (ids.length === 0) return places;
  return zoneIds.flatMap((id) => places[ids.indexOf(id)] ?? []);
}

/** The places in a VPC that was there before: its subnets by store id, or one in each zone in the VPC's order. */
export function placesInGivenVpc(
  vpc: ec2.IVpc,
  { stores, subnets }: { readonly stores: Stores; readonly subnets: readonly ec2.ISubnet[] | undefined },
): readonly BrokerPlace[] {
  if (subnets === undefined && stores.stores.some(({ isExpress }) => isExpress)) {
    throw new SettingsError(
      "gateway: directory buckets lie in zones by id, and a VPC knows its zones by name: give its subnets, by store id",
    );
  }
  const subnetType = vpc.privateSubnets.length > 0 ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PUBLIC;
  const chosen = subnets ?? vpc.selectSubnets({ subnetType, onePerAz: true }).subnets;
  if (chosen.length === 0) throw new SettingsError("gateway: the VPC has no subnet for brokers");
  const publicIds = new Set(vpc.publicSubnets.map(({ subnetId }) => subnetId));
  return chosen.map((subnet) => ({
    subnet,
    isPublic: publicIds.has(subnet.subnetId),
    rack: subnet.availabilityZone,
  }));
}
