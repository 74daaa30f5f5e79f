import { parseArgs } from "node:util";
import { newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { S3ObjectStore } from "#lib/adapters/aws/s3-object-store.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { startBroker } from "#lib/gateway/start-broker.ts";
import { NO_LEDGER } from "#lib/runtime/ledger.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { Versitygw } from "../../test/localstack/servers/versitygw.ts";
import { gatewaySettings } from "../aws/deployment.ts";

// A gateway on one bucket whose journals are in memory: what it takes beside the bucket is its own.

const HOST = "127.0.0.1";
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    endpoint: { type: "string", default: "" },
    bucket: { type: "string", default: "" },
    linger: { type: "string", default: "0" },
  },
});

const { endpoint, bucket } = values;
const clock = new SystemClock();
const { accessKeyId, secretAccessKey } = Versitygw;
const client = newS3Client({ endpoint, region: "us-east-1", credentials: { accessKeyId, secretAccessKey } });
const store = new S3ObjectStore({ client, bucket, clock, ledger: NO_LEDGER });
const broker = await startBroker(
  {
    journal: new MemoryJournalService(clock).connect(),
    stores: new StoreSet(new Map([[0, store]])),
    clock,
    random: new SystemRandom(),
    logger: SILENT_LOGGER,
  },
  {
    ...gatewaySettings({ storeClass: "Standard", storeCount: 1, lingerMs: Number(values.linger) }),
    listeners: [{ name: "PLAINTEXT", host: HOST, port: Number(values.port) }],
  },
);
console.log(`ready kafka=${HOST}:${broker.listeners[0]?.port}`);
process.once("SIGTERM", () => process.exit(0));
