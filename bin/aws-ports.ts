import { newDynamoDbClient, newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { DynamoDbJournal } from "#lib/adapters/aws/dynamodb-journal.ts";
import { S3ObjectStore } from "#lib/adapters/aws/s3-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import type { BrokerPorts } from "#lib/broker/open-journals.ts";
import { openStores } from "#lib/broker/open-stores.ts";
import type { AwsSettings } from "#lib/config/serve-settings.ts";
import { type Ledger, NO_LEDGER } from "#lib/runtime/ledger.ts";
import { type Logger, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { StoreId } from "#lib/util/branded.ts";

export interface AwsPortsOptions {
  /** Default: silent. */
  readonly logger?: Logger;
  /** Default: nothing is counted. */
  readonly ledger?: Ledger;
  /** Default: 0. */
  readonly nearestId?: StoreId;
}

/** Journals in DynamoDB and stores in S3, checked and ready. Whoever disposes of `opened` closes their connections. */
export async function openAwsPorts(
  aws: AwsSettings,
  opened: AsyncDisposableStack,
  { logger = SILENT_LOGGER, ledger = NO_LEDGER, nearestId = 0 }: AwsPortsOptions = {},
): Promise<BrokerPorts> {
  const clock = new SystemClock();
  const random = new SystemRandom();
  const { signal } = new AbortController();
  const { table, ...service } = aws.journal;
  const client = newDynamoDbClient(service);
  opened.defer(() => client.destroy());
  const journal = await DynamoDbJournal.open({ client, table, clock, ledger, signal });
  const remotes = aws.stores.map(({ bucket, prefix, ...address }) => {
    const s3 = newS3Client(address);
    opened.defer(() => s3.destroy());
    const store = new S3ObjectStore({ client: s3, bucket, prefix, clock, ledger });
    return { store, url: store.url };
  });
  const stores = await openStores({ journal, remotes, nearestId, clock, random, logger, signal });
  return { journal, stores, clock, random, logger };
}
