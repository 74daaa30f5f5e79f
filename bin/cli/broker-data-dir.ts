import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { LogError } from "#lib/util/errors.ts";
import { JOURNAL_FILE, storeIdOf } from "../data-dir.ts";

/**
 * The data directory of the broker that answers, by the URL of a store of its; undefined where there is none on this
 * machine: other stores, another machine, another Kafka, or nobody may ask.
 */
export async function brokerDataDir(client: KafkaClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { results } = await client.send(Apis.DESCRIBE_LOG_DIRS, { topics: [] }, { signal });
    const roots = results.flatMap(({ logDir }) => (logDir.startsWith("file:///") ? [fileURLToPath(logDir)] : []));
    const root = roots.find((each) => storeIdOf(basename(each)) !== undefined);
    const dataDir = root === undefined ? undefined : dirname(root);
    return dataDir !== undefined && existsSync(join(dataDir, JOURNAL_FILE)) ? dataDir : undefined;
  } catch (error) {
    // What was asked for is done; this only adds to it.
    if (error instanceof LogError || signal.aborted) return undefined;
    throw error;
  }
}
