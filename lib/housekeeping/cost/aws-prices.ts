/** What AWS charges, in US dollars. A region or a contract may have others; what is left out here costs nothing. */
export interface AwsPrices {
  /** The day on which the sources said so. */
  readonly asOf: string;
  readonly region: string;
  readonly sources: readonly string[];
  readonly s3: ObjectPrices;
  /** S3 Express One Zone, directory buckets. */
  readonly s3Express: ObjectPrices;
  readonly dynamodb: {
    /** On demand, per request unit: a KiB written, 4 KiB read strongly, 8 KiB read eventually. */
    readonly writeUnit: number;
    readonly readUnit: number;
    readonly gbMonth: number;
    /** Provisioned, per unit a second and hour. */
    readonly writeUnitHour: number;
    readonly readUnitHour: number;
  };
  /** On arm64: per call, and per GB of memory and second, in steps of a millisecond. */
  readonly lambda: { readonly request: number; readonly gbSecond: number };
  /** On arm64: per processor and per GB of memory, for each hour. */
  readonly fargate: { readonly cpuHour: number; readonly gbHour: number };
  /** By itself, and per capacity unit; one unit of TCP are so many bytes an hour, both directions together. */
  readonly networkLoadBalancer: { readonly hour: number; readonly unitHour: number; readonly unitBytes: number };
  /** A hosted zone, each of the first 25; and its answers to queries. Tasks that ECS registers with Cloud Map are free. */
  readonly route53: { readonly zoneMonth: number; readonly query: number };
  /** Of IPv4. */
  readonly publicAddressHour: number;
  /** Of CloudWatch, with a period of a minute or more. */
  readonly alarmMonth: number;
}

export interface ObjectPrices {
  /** Per request: PUT and LIST; GET. DELETE is free. */
  readonly put: number;
  readonly get: number;
  /** Per 10^9 bytes sent or received within the region. */
  readonly gbSent: number;
  readonly gbReceived: number;
  readonly gbMonth: number;
}

export const GB = 1e9;

export const AWS_PRICES: AwsPrices = {
  asOf: "2026-11-21",
  region: "us-east-1",
  sources: [
    "https://aws.amazon.com/s3/pricing/",
    "https://aws.amazon.com/s3/faqs/ (Express One Zone, examples of prices)",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    "https://aws.amazon.com/dynamodb/pricing/provisioned/",
    "https://aws.amazon.com/lambda/pricing/",
    "https://aws.amazon.com/fargate/pricing/",
    "https://aws.amazon.com/elasticloadbalancing/pricing/",
    "https://aws.amazon.com/route53/pricing/",
    "https://aws.amazon.com/cloud-map/pricing/",
    "https://aws.amazon.com/vpc/pricing/",
    "https://aws.amazon.com/cloudwatch/pricing/",
  ],
  s3: { put: 0.005 / 1_000, get: 0.0004 / 1_000, gbSent: 0, gbReceived: 0, gbMonth: 0.023 },
  s3Express: {
    put: 0.00113 / 1_000,
    get: 0.00003 / 1_000,
    gbSent: 0.0032,
    gbReceived: 0.0006,
    gbMonth: 0.11,
  },
  dynamodb: {
    writeUnit: 0.625 / 1e6,
    readUnit: 0.125 / 1e6,
    gbMonth: 0.25,
    writeUnitHour: 0.000_65,
    readUnitHour: 0.000_13,
  },
  lambda: { request: 0.2 / 1e6, gbSecond: 0.000_013_333_4 },
  fargate: { cpuHour: 0.032_38, gbHour: 0.003_56 },
  networkLoadBalancer: { hour: 0.0225, unitHour: 0.006, unitBytes: GB },
  route53: { zoneMonth: 0.5, query: 0.4 / 1e6 },
  publicAddressHour: 0.005,
  alarmMonth: 0.1,
};

/** AWS counts months of 730 hours. */
export const MONTH_MS = 730 * 60 * 60 * 1_000;
