import { fileURLToPath } from "node:url";
import { describe } from "vitest";
import { describeEnvironment } from "./environment-facts.ts";

describe("an execution environment with the smallest client", () => {
  const client = fileURLToPath(new URL("tiny-client.mjs", import.meta.url));
  describeEnvironment(() => [process.execPath, client]);
});
