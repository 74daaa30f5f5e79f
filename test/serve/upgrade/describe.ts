import { createHash } from "node:crypto";
import { Apis } from "#lib/protocol/apis.ts";
import { defined } from "#lib/util/assert.ts";
import { readAll } from "../kafka-calls.ts";
import { ServeProcess } from "../serve-process.ts";

/** What users see of a data directory, as JSON: topics with the hash of their values, groups, keys. */
export async function describeDataDirectory(dataDir: string): Promise<unknown> {
  await using broker = await ServeProcess.start({ dataDir, args: ["--http", "127.0.0.1:0"] });
  await using connection = await broker.connect();
  const metadata = await connection.send(Apis.METADATA, 12, { topics: null });
  const topics = [];
  for (const { name, topicId, partitions } of metadata.topics) {
    const values = [];
    for (let index = 0; index < partitions.length; index++) {
      values.push(digest(await readAll(connection, defined(name), index)));
    }
    topics.push({ name, topicId, values });
  }
  const { groups: listed } = await connection.send(Apis.LIST_GROUPS, 5, { statesFilter: [], typesFilter: [] });
  const groups = [...listed].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
  const { groups: committed } = await connection.send(Apis.OFFSET_FETCH, 8, {
    groups: groups.map(({ groupId }) => ({ groupId, topics: null })),
    requireStable: false,
  });
  const names = topics.map(({ name }) => defined(name)).sort();
  return {
    topics: topics.sort((a, b) => (defined(a.name) < defined(b.name) ? -1 : 1)),
    configs: await configsOf(connection, names),
    groups: groups.map(({ groupId, protocolType, groupType }) => ({ groupId, protocolType, groupType })),
    offsets: committed.map(({ groupId, topics: each }) => ({ groupId, topics: each })),
    keys: await keysOf(broker),
  };
}

type Connection = Awaited<ReturnType<ServeProcess["connect"]>>;

/** Those set on topics themselves. */
async function configsOf(connection: Connection, names: readonly string[]): Promise<unknown> {
  const topic = 2;
  const setOnTopic = 1;
  const { results } = await connection.send(Apis.DESCRIBE_CONFIGS, 4, {
    resources: names.map((resourceName) => ({ resourceType: topic, resourceName, configurationKeys: null })),
  });
  return results.map(({ resourceName, configs }) => ({
    resourceName,
    configs: configs
      .filter(({ configSource }) => configSource === setOnTopic)
      .map(({ name, value }) => `${name}=${value}`),
  }));
}

async function keysOf(broker: ServeProcess): Promise<unknown> {
  const [, address] = defined(/ http=(\S+)/.exec(broker.stdout));
  const response = await fetch(`http://${address}/v1/keys`);
  return await response.json();
}

function digest(values: readonly string[]): string {
  const hash = createHash("sha256");
  for (const value of values) hash.update(`${value.length}\n${value}`);
  return `${values.length} ${hash.digest("hex")}`;
}
