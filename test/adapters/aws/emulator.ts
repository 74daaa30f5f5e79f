import { CreateBucketCommand, type S3Client } from "@aws-sdk/client-s3";
import { newDynamoDbClient, newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { createJournalTable } from "#lib/adapters/aws/create-table.ts";
import { DynamoDbJournal } from "#lib/adapters/aws/dynamodb-journal.ts";
import { S3ObjectStore } from "#lib/adapters/aws/s3-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { NO_LEDGER } from "#lib/runtime/ledger.ts";

// Tests of the project `localstack` run against whatever speaks S3 and DynamoDB at these addresses, with the credentials
// and the region of the environment. One of the two may be missing; then its tests are left out.

const { env } = process;
const S3_ENDPOINT = env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"];
const DYNAMODB_ENDPOINT = env["AWS_ENDPOINT_URL_DYNAMODB"] ?? env["AWS_ENDPOINT_URL"];

if (S3_ENDPOINT === undefined && DYNAMODB_ENDPOINT === undefined) {
  throw new Error(
    "AWS_ENDPOINT_URL is not set: these tests would go to AWS itself. Run npm run test:localstack, or set it to an emulator",
  );
}

export const hasS3 = S3_ENDPOINT !== undefined;
export const hasDynamoDb = DYNAMODB_ENDPOINT !== undefined;
export const never = new AbortController().signal;
export const clock = new SystemClock();

const RUN = Date.now().toString(36);
/** Whatever the machine is busy with: an emulator is no judge of time. */
const CALL_MS_MAX = 60_000;
let names = 0;

export function uniqueName(): string {
  names++;
  return `millrace-${RUN}-${process.pid}-${names}`;
}

export function s3Endpoint(): string {
  return S3_ENDPOINT ?? "";
}

export function dynamoDbEndpoint(): string {
  return DYNAMODB_ENDPOINT ?? "";
}

export function s3Client(endpoint = s3Endpoint()): S3Client {
  return newS3Client({ endpoint, connectMsMax: CALL_MS_MAX });
}

export function dynamoDbClient(endpoint = dynamoDbEndpoint()) {
  return newDynamoDbClient({ endpoint, connectMsMax: CALL_MS_MAX });
}

/** A new bucket's name. */
export async function makeBucket(): Promise<string> {
  const client = s3Client();
  const bucket = uniqueName();
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return bucket;
}

/** A new table's name. */
export async function makeTable(): Promise<string> {
  const client = dynamoDbClient();
  const table = uniqueName();
  await createJournalTable({ client, table, clock }, never);
  client.destroy();
  return table;
}

export interface Reached<T> {
  readonly port: T;
  close(): void;
}

export function reachStore(options: {
  readonly bucket: string;
  readonly prefix?: string;
  readonly endpoint?: string;
  readonly callMsMax?: number;
}): Reached<S3ObjectStore> {
  const { bucket, prefix = "", endpoint, callMsMax = CALL_MS_MAX } = options;
  const client = s3Client(endpoint);
  const port = new S3ObjectStore({ client, bucket, prefix, clock, ledger: NO_LEDGER, callMsMax });
  return { port, close: () => client.destroy() };
}

export async function reachJournal(options: {
  readonly table: string;
  readonly endpoint?: string;
  readonly callMsMax?: number;
}): Promise<Reached<DynamoDbJournal>> {
  const { table, endpoint, callMsMax = CALL_MS_MAX } = options;
  const client = dynamoDbClient(endpoint);
  const port = await DynamoDbJournal.open({ client, table, clock, ledger: NO_LEDGER, callMsMax, signal: never });
  return { port, close: () => client.destroy() };
}
