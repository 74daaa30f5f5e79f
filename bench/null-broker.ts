import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { type Api, Apis } from "#lib/protocol/apis.ts";
import { decode } from "#lib/protocol/codec.ts";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { type ParsedRequest, parseRequestHeader } from "#lib/protocol/request-header.ts";
import { encodeResponseFrame } from "#lib/protocol/response-frame.ts";
import type { Fields, Infer, InferInput } from "#lib/protocol/schema.ts";
import { type Uuid, uuidFromBytes } from "#lib/util/branded.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";

// A broker that stores nothing: it parses every request, says that all went well and forgets it. What a client reaches
// against it is the client's own ceiling, and the least that a broker in Node can cost. Every topic exists; its number
// of partitions is what CreateTopics said, else one.

const { port } = parseArgs({ options: { port: { type: "string", default: "0" } } }).values;
const HOST = "127.0.0.1";
const NODE_ID = 0;

const partitionCounts = new Map<string, number>();
const names = new Map<Uuid, string>();
let address = { host: HOST, port: 0 };
let producerIds = 0;

/** The same name always has the same id. */
function topicIdOf(name: string): Uuid {
  const id = uuidFromBytes(createHash("sha256").update(name).digest().subarray(0, 16));
  names.set(id, name);
  return id;
}

function topicMetadata(name: string) {
  const partitions = Array.from({ length: partitionCounts.get(name) ?? 1 }, (_, partitionIndex) => ({
    errorCode: 0,
    partitionIndex,
    leaderId: NODE_ID,
    replicaNodes: [NODE_ID],
    isrNodes: [NODE_ID],
    offlineReplicas: [],
  }));
  return { errorCode: 0, name, topicId: topicIdOf(name), isInternal: false, partitions };
}

type Answer = (request: ParsedRequest) => readonly Uint8Array[] | undefined;

const answers = new Map<number, Answer>();
const served: Api[] = [];

function serve<Req extends Fields, Res extends Fields>(
  api: Api<Req, Res>,
  answer: (request: Infer<Req>) => InferInput<Res> | undefined,
): void {
  served.push(api);
  answers.set(api.apiKey, ({ header, body }) => {
    const response = answer(decode(api.request, header.apiVersion, body));
    return response === undefined ? undefined : encodeResponseFrame(api, header, response);
  });
}

serve(Apis.PRODUCE, ({ acks, topicData }) => {
  if (acks === 0) return undefined;
  const responses = topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => ({
      index,
      errorCode: 0,
      baseOffset: 0,
      recordErrors: [],
      currentLeader: {},
    })),
  }));
  return { responses, nodeEndpoints: [] };
});

serve(Apis.FETCH, ({ topics }) => ({
  sessionId: 0,
  responses: topics.map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions: partitions.map(({ partition }) => ({
      partitionIndex: partition,
      errorCode: 0,
      highWatermark: 0,
      lastStableOffset: 0,
      logStartOffset: 0,
      divergingEpoch: {},
      currentLeader: {},
      snapshotId: {},
      records: new Uint8Array(0),
    })),
  })),
  nodeEndpoints: [],
}));

serve(Apis.METADATA, ({ topics }) => {
  const asked = (topics ?? []).map(({ name, topicId }) => name ?? names.get(topicId) ?? "");
  return {
    throttleTimeMs: 0,
    brokers: [{ nodeId: NODE_ID, ...address }],
    clusterId: "null",
    controllerId: NODE_ID,
    topics: asked.filter((name) => name !== "").map(topicMetadata),
  };
});

serve(Apis.CREATE_TOPICS, ({ topics }) => ({
  throttleTimeMs: 0,
  topics: topics.map(({ name, numPartitions }) => {
    partitionCounts.set(name, Math.max(1, numPartitions));
    return { name, topicId: topicIdOf(name), errorCode: 0, errorMessage: null, configs: [] };
  }),
}));

serve(Apis.DELETE_TOPICS, ({ topicNames, topics }) => {
  const named = [...topicNames, ...topics.flatMap(({ name }) => (name === null ? [] : [name]))];
  return { responses: named.map((name) => ({ name, topicId: topicIdOf(name), errorCode: 0 })) };
});

serve(Apis.INIT_PRODUCER_ID, () => ({ errorCode: 0, producerId: ++producerIds, producerEpoch: 0 }));

serve(Apis.API_VERSIONS, () => ({
  errorCode: 0,
  throttleTimeMs: 0,
  apiKeys: served.map(({ apiKey, stableVersions }) => ({
    apiKey,
    minVersion: stableVersions.min,
    maxVersion: stableVersions.max,
  })),
}));

function accept(socket: Socket): void {
  const frames = new FrameSplitter(REQUEST_BYTES_MAX);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Uint8Array) => {
    socket.cork();
    for (const frame of frames.push(chunk)) {
      const request = parseRequestHeader(frame);
      const answer = answers.get(request.header.apiKey)?.(request);
      for (const part of answer ?? []) socket.write(part);
    }
    socket.uncork();
  });
}

const server = createServer({ noDelay: true }, accept);
server.listen(Number(port), HOST, () => {
  const bound = server.address();
  if (bound !== null && typeof bound === "object") address = { host: HOST, port: bound.port };
  console.log(`ready kafka=${address.host}:${address.port}`);
});
process.once("SIGTERM", () => process.exit(0));
