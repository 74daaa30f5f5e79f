import { describe } from "vitest";
import { journalContract } from "../../contract/journal.ts";
import { objectStoreContract } from "../../contract/object-store.ts";
import { FaultProxy } from "../../localstack/faults/proxy.ts";
import type { FaultRule } from "../../localstack/faults/rules.ts";
import {
  dynamoDbEndpoint,
  hasDynamoDb,
  hasS3,
  makeBucket,
  makeTable,
  reachJournal,
  reachStore,
  s3Endpoint,
  uniqueName,
} from "./emulator.ts";
import { persistentJournal, persistentStore } from "./persistent.ts";

/** Faults under which nothing happens, so that a call may simply be sent again and the contract holds as it stands. */
const HARMLESS: readonly FaultRule[] = [
  { fault: "lose-request", probability: 0.08 },
  { match: "^POST / DynamoDB", fault: "refuse", code: "ThrottlingException", probability: 0.08 },
  { match: "^(GET|PUT)", fault: "refuse", code: "SlowDown", probability: 0.08 },
  { match: "^PUT", fault: "refuse", code: "ConditionalRequestConflict", probability: 0.08 },
  { match: "^GET", fault: "cut-answer", afterBytes: 3, probability: 0.08 },
  { fault: "delay", delayMs: [0, 25], probability: 0.3 },
];

describe.runIf(hasS3)("S3", () => {
  objectStoreContract("S3ObjectStore in a bucket of its own", async () => storeIn({ bucket: await makeBucket() }));

  let shared: Promise<string> | undefined;
  objectStoreContract("S3ObjectStore in a folder of a bucket", async () => {
    shared ??= makeBucket();
    return storeIn({ bucket: await shared, prefix: `some/${uniqueName()}` });
  });

  objectStoreContract("S3ObjectStore behind a bad network", async () => {
    shared ??= makeBucket();
    const proxy = await FaultProxy.start({ target: s3Endpoint(), rules: HARMLESS });
    const reached = reachStore({ bucket: await shared, prefix: `bad/${uniqueName()}`, endpoint: proxy.url });
    const store = persistentStore(reached.port);
    return {
      store,
      other: store,
      async [Symbol.asyncDispose]() {
        reached.close();
        await proxy[Symbol.asyncDispose]();
      },
    };
  });
});

describe.runIf(hasDynamoDb)("DynamoDB", () => {
  // Emulators manage some hundred requests a second, and few at once.
  const options = { checksTrimMark: false, manyRecords: 400, manyAtOnce: 40 };

  const make = async () => {
    const table = await makeTable();
    const [one, two] = await Promise.all([reachJournal({ table }), reachJournal({ table })]);
    return {
      journal: one.port,
      other: two.port,
      close: async () => {
        one.close();
        two.close();
      },
    };
  };
  journalContract("DynamoDbJournal", make, options);

  const makeBad = async () => {
    const table = await makeTable();
    const proxy = await FaultProxy.start({ target: dynamoDbEndpoint() });
    const reached = await reachJournal({ table, endpoint: proxy.url });
    proxy.set(...HARMLESS);
    const journal = persistentJournal(reached.port);
    return {
      journal,
      other: journal,
      close: async () => {
        reached.close();
        await proxy[Symbol.asyncDispose]();
      },
    };
  };
  journalContract("DynamoDbJournal behind a bad network", makeBad, options);
});

function storeIn(place: { readonly bucket: string; readonly prefix?: string }) {
  const one = reachStore(place);
  const two = reachStore(place);
  return {
    store: one.port,
    other: two.port,
    async [Symbol.asyncDispose]() {
      one.close();
      two.close();
    },
  };
}
