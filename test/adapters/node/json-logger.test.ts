import { expect, test } from "vitest";
import { createJsonLogger } from "#lib/adapters/node/json-logger.ts";

test("a line is one JSON object with its level, its time, the logger's fields and its own", () => {
  const lines: string[] = [];
  const logger = createJsonLogger({ level: "info", fields: { function: "produce" } }, (line) => lines.push(line));
  logger.warn("a journal is\nnot tended", { journal: "log-3", attempts: 2 });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.indexOf("\n")).toBe((lines[0]?.length ?? 0) - 1);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    level: "warn",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    function: "produce",
    journal: "log-3",
    attempts: 2,
    msg: "a journal is\nnot tended",
  });
});

test("lines below its level are not written", () => {
  const lines: string[] = [];
  const logger = createJsonLogger({ level: "warn" }, (line) => lines.push(line));
  logger.debug("no");
  logger.info("no");
  logger.error("yes");
  expect(lines).toHaveLength(1);
});
