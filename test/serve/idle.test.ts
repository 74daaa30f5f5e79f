import { expect, test } from "vitest";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { RawClient } from "../support/raw-client.ts";

test("an idle connection is closed, a negative limit closes none", async () => {
  await using strict = await startMemoryBroker({ connectionIdleMsMax: 30 });
  await using patient = await startMemoryBroker({ connectionIdleMsMax: -1 });
  using closed = await RawClient.open(strict.port);
  await using kept = await patient.connect();
  await closed.closed;
  expect(kept.isOpen).toBe(true);
});
