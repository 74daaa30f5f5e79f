import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { AWS_CONNECT_MS_MAX, AWS_SOCKETS_MAX } from "#lib/util/limits.ts";

export interface AwsClientOptions {
  /** Default: the SDK's own chain (`AWS_REGION`, profile); with an endpoint and no region at all `us-east-1`. */
  readonly region?: string | undefined;
  /** Of a service that speaks the same protocol. Default: the SDK's own chain (`AWS_ENDPOINT_URL`, profile), else AWS. */
  readonly endpoint?: string | undefined;
  /** Default: `AWS_CONNECT_MS_MAX`. */
  readonly connectMsMax?: number | undefined;
  /** Default: the SDK's own chain: environment, profile, container, instance. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

export interface S3ClientOptions extends AwsClientOptions {
  /** Bucket in the path instead of the host's name. Default: true with an endpoint, for few others have the names. */
  readonly forcePathStyle?: boolean | undefined;
}

/** Puts are checked by checksums of ours, and nothing is sent twice by the SDK. */
export function newS3Client(options: S3ClientOptions = {}): S3Client {
  const hasEndpoint = options.endpoint !== undefined || hasEnvironmentEndpoint("S3");
  return new S3Client({
    ...shared(options, hasEndpoint),
    forcePathStyle: options.forcePathStyle ?? hasEndpoint,
    // Puts carry a CRC-32C of our own, and everything we read has checksums inside: the SDK would sum it all again.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Costs a round trip before each large put, to save bytes when it is refused, which is rare.
    expectContinueHeader: false,
    // A redirect to the bucket's region would cost two requests each time: the error says what to set instead.
    followRegionRedirects: false,
  });
}

/** See `newS3Client`. */
export function newDynamoDbClient(options: AwsClientOptions = {}): DynamoDBClient {
  return new DynamoDBClient(shared(options, options.endpoint !== undefined || hasEnvironmentEndpoint("DYNAMODB")));
}

function shared(options: AwsClientOptions, hasEndpoint: boolean) {
  const region = options.region ?? (hasEndpoint ? environmentRegion() : undefined);
  const agent = { keepAlive: true, maxSockets: AWS_SOCKETS_MAX };
  return {
    ...(region === undefined ? {} : { region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    // An answer that was lost must show: the ports' callers send again and know what they do (docs/ARCHITECTURE.md J3).
    maxAttempts: 1,
    // Time limits are abort signals of ours: the handler's own `requestTimeout` would only warn.
    requestHandler: new NodeHttpHandler({
      connectionTimeout: options.connectMsMax ?? AWS_CONNECT_MS_MAX,
      httpAgent: agent,
      httpsAgent: agent,
    }),
    // Without one the SDK writes to the console when a streamed put fails.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  };
}

function hasEnvironmentEndpoint(service: "S3" | "DYNAMODB"): boolean {
  const { env } = process;
  if (env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] === "true") return false;
  // To the SDK a variable that is empty is none.
  return Boolean(env["AWS_ENDPOINT_URL"] || env[`AWS_ENDPOINT_URL_${service}`]);
}

function environmentRegion(): string {
  return process.env["AWS_REGION"] || process.env["AWS_DEFAULT_REGION"] || "us-east-1";
}
