import type { Command } from "commander";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { type BrokerPorts, journalPorts, openCluster } from "#lib/broker/open-journals.ts";
import {
  DYNAMODB_ADDRESS_FORM,
  parseDynamoDbAddress,
  parseS3Address,
  S3_ADDRESS_FORM,
} from "#lib/config/aws-address.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { addUrlOptions, collect } from "./client.ts";
import { type Keys, keysInJournal, keysOverHttp } from "./key-admin.ts";
import { UsageError } from "./usage-error.ts";

/** Exactly one of three: a URL with a key that may, the data directory, or the AWS resources with one's own IAM rights. */
export interface KeyPlaceOptions {
  readonly url?: string;
  readonly key?: string;
  readonly dataDir?: string;
  readonly store?: readonly string[];
  readonly journal?: string;
}

export function addKeyPlaceOptions(command: Command): Command {
  return addUrlOptions(command, "through the HTTPS door, with --key of the right admin")
    .option("--data-dir <DIR>", "right in a data directory; the broker may be running")
    .option("--journal <URL>", `right in the table ${DYNAMODB_ADDRESS_FORM}, by one's own AWS credentials`)
    .option("--store <URL>", `with --journal: all stores by their ids, ${S3_ADDRESS_FORM}; repeatable`, collect);
}

/** Runs `work` where the keys are; `nowMs` is the time there. */
export async function withKeys(
  options: KeyPlaceOptions,
  work: (keys: Keys, nowMs: number) => Promise<void>,
): Promise<void> {
  const { url, key, dataDir, journal } = options;
  // A URL in the environment does not stand in the way of a place that was named.
  if (dataDir !== undefined && journal !== undefined) throw new UsageError("name --data-dir or --journal, not both");
  if (dataDir !== undefined) return withJournal((opened) => embeddedPorts(dataDir, opened), work);
  if (journal !== undefined) return withJournal((opened) => awsPorts(journal, options.store ?? [], opened), work);
  if (url !== undefined) return work(keysOverHttp({ url, key }), new SystemClock().nowMs());
  throw new UsageError("name where the keys are: --url URL, --data-dir DIR, or --journal URL with --store URL");
}

async function withJournal(
  portsOf: (opened: AsyncDisposableStack) => Promise<BrokerPorts>,
  work: (keys: Keys, nowMs: number) => Promise<void>,
): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const ports = await portsOf(opened);
  const { signal } = new AbortController();
  const cluster = opened.use(await openCluster(journalPorts(ports, new ReplicatedWriter(ports)), signal));
  await work(keysInJournal(cluster, ports.random), cluster.nowMs());
}

async function embeddedPorts(dataDir: string, opened: AsyncDisposableStack): Promise<BrokerPorts> {
  const { openJournalFile } = await import("../open-journal-file.ts");
  const { openEmbeddedStores } = await import("../embedded-stores.ts");
  const shared = await openJournalFile(dataDir, opened);
  const { signal } = new AbortController();
  // Under a name of its own: what a running broker is writing is not this command's to clean up.
  const { stores } = opened.use(await openEmbeddedStores({ ...shared, dataDir, owner: "keys", signal }));
  return { ...shared, stores };
}

async function awsPorts(
  journalUrl: string,
  storeUrls: readonly string[],
  opened: AsyncDisposableStack,
): Promise<BrokerPorts> {
  const journal = parseDynamoDbAddress(journalUrl);
  if (journal === undefined) throw new UsageError(`--journal is ${DYNAMODB_ADDRESS_FORM}, not "${journalUrl}"`);
  const stores = storeUrls.map((text) => {
    const address = parseS3Address(text);
    if (address === undefined) throw new UsageError(`--store is ${S3_ADDRESS_FORM}, not "${text}"`);
    return address;
  });
  if (stores.length === 0) throw new UsageError("--journal needs --store URL, once for each store in the order of ids");
  const { openAwsPorts } = await import("../aws-ports.ts");
  return openAwsPorts({ journal, stores }, opened);
}
