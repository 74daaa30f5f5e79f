import { newDynamoDbClient, newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { DynamoDbJournal } from "#lib/adapters/aws/dynamodb-journal.ts";
import { S3ObjectStore } from "#lib/adapters/aws/s3-object-store.ts";
import { createJsonLogger } from "#lib/adapters/node/json-logger.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { ThawingClock } from "#lib/adapters/node/thawing-clock.ts";
import { assembleBroker, type Broker } from "#lib/broker/assemble-broker.ts";
import { openStores, type RemoteStore } from "#lib/broker/open-stores.ts";
import { type FunctionSettings, parseFunctionSettings } from "#lib/config/function-settings.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { type Ledger, RequestLedger } from "#lib/runtime/ledger.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";

/** Functions are no brokers to Kafka clients; where one has to be named, it is the one at the first store. */
const BROKER_ID = 0;

/** The clock of this execution environment; a call begins with `thaw` and ends with `rest`. */
export const clock = new ThawingClock();

export interface RunningFunction {
  readonly broker: Broker;
  readonly settings: FunctionSettings;
  readonly ledger: RequestLedger;
}

export interface FunctionRuntime {
  readonly logger: Logger;
  /** When its start began, by the monotonic clock. */
  readonly beganAtMs: number;
  /** The broker of this execution environment; a start that failed is begun again. */
  started(signal: AbortSignal): Promise<RunningFunction>;
  /** The same for the phase in which modules are loaded: undefined where it fails or takes too long. Never rejects. */
  startedEarly(): Promise<RunningFunction | undefined>;
}

/** Lambda gives a module ten seconds to load; a service that does not answer is the first call's to tell. */
const EARLY_MS_MAX = 3_000;

/**
 * Begins to start when the module is loaded, for Lambda gives that phase a whole processor, and connections are made
 * meanwhile. It costs three reads: the table's format, the cluster journal's newest snapshot pointer, its newest page.
 */
export function newRuntime(name: string, environment: NodeJS.ProcessEnv = process.env): FunctionRuntime {
  const logger = createJsonLogger({ level: levelOf(environment), fields: { function: name } });
  const beganAtMs = clock.monotonicMs();
  let starting: Promise<RunningFunction> | undefined;
  const start = (): Promise<RunningFunction> => {
    starting ??= startFunction(environment, logger).catch((error: unknown) => {
      starting = undefined;
      throw error;
    });
    return starting;
  };
  start().catch((error: unknown) => logger.error("the function cannot start", { error: describeError(error) }));
  return {
    logger,
    beganAtMs,
    started: (signal) => abortable(start(), signal),
    startedEarly: () => abortable(start(), AbortSignal.timeout(EARLY_MS_MAX)).catch(() => undefined),
  };
}

async function startFunction(environment: NodeJS.ProcessEnv, logger: Logger): Promise<RunningFunction> {
  const settings = parseFunctionSettings(environment);
  const ledger = new RequestLedger();
  const random = new SystemRandom();
  // A start that fails is begun again by every call, in the same process.
  await using opened = new AsyncDisposableStack();
  const client = newDynamoDbClient();
  opened.defer(() => client.destroy());
  // Callers give up by themselves; what has begun is of use to the next one.
  const { signal } = new AbortController();
  const journal = await DynamoDbJournal.open({ client, table: settings.table, clock, ledger, signal });
  const remotes = remotesOf(settings, ledger, opened);
  const stores = new StoreSet(new Map(remotes.map(({ store }, storeId) => [storeId, store])));
  const ports = { journal, clock, random, logger };
  const broker = await assembleBroker(
    { ...ports, stores },
    {
      identity: { brokerId: BROKER_ID, rack: null },
      startConfigs: new Map(),
      append: { ...DEFAULT_APPEND_SETTINGS, lingerMs: settings.lingerMs, inlineBytesMax: settings.inlineBytesMax },
      tailCacheBytesMax: settings.tailCacheBytesMax,
      blockCacheBytesMax: settings.blockCacheBytesMax,
      journalPollMs: settings.journalPollMs,
      isOnDemand: true,
    },
  );
  opened.defer(() => broker.stop(AbortSignal.abort()));
  // The first call of a deployment finds buckets that nobody has taken yet. Later ones take their identity for granted:
  // asking would cost each cold start a request for each bucket. Only where the list is not the known one, in its order, as
  // after a change of the deployment, must each bucket show which store it is.
  const known = broker.services.cluster.stores().map(({ url }) => url);
  const isKnown = known.length === remotes.length && remotes.every(({ url }, storeId) => url === known[storeId]);
  if (!isKnown) await openStores({ ...ports, remotes, signal });
  // From here on all of it lives as long as the process.
  opened.move();
  return { broker, settings, ledger };
}

function remotesOf(settings: FunctionSettings, ledger: Ledger, opened: AsyncDisposableStack): readonly RemoteStore[] {
  return settings.stores.map(({ bucket, prefix, region, endpoint, forcePathStyle }) => {
    const client = newS3Client({ region, endpoint, forcePathStyle });
    opened.defer(() => client.destroy());
    const store = new S3ObjectStore({ client, bucket, prefix, clock, ledger });
    return { store, url: store.url };
  });
}

/** Before the settings are parsed, so that what is wrong with them can be logged. */
function levelOf({ MILLRACE_LOG_LEVEL: level }: NodeJS.ProcessEnv): FunctionSettings["logLevel"] {
  return level === "debug" || level === "warn" || level === "error" ? level : "info";
}
