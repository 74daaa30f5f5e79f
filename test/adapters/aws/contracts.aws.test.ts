import { describe } from "vitest";
import { journalContract } from "../../contract/journal.ts";
import { objectStoreContract } from "../../contract/object-store.ts";
import { hasDynamoDb, hasS3, makeBucket, makeTable, reachJournal, reachStore, uniqueName } from "./emulator.ts";

describe.runIf(hasS3)("S3", () => {
  objectStoreContract("S3ObjectStore in a bucket of its own", async () => storeIn({ bucket: await makeBucket() }));

  let shared: Promise<string> | undefined;
  objectStoreContract("S3ObjectStore in a folder of a bucket", async () => {
    shared ??= makeBucket();
    return storeIn({ bucket: await shared, prefix: `some/${uniqueName()}` });
  });
});

describe.runIf(hasDynamoDb)("DynamoDB", () => {
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
  // Emulators manage some hundred requests a second.
  journalContract("DynamoDbJournal", make, { checksTrimMark: false, manyRecords: 400, manyAtOnce: 40 });
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
