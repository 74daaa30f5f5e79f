import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { TemporaryDirectory } from "../serve-process.ts";
import { describeDataDirectory } from "./describe.ts";
import { unpackDirectory } from "./packed-directory.ts";

// Data directories that earlier versions have written (make.ts). They open for ever after, and show what they showed.

const packed = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".json.gz"));

test("there is a directory to open", () => {
  expect(packed).toContain("2026-11.json.gz");
});

describe.each(packed)("the data directory %s", (name) => {
  test("opens with everything that it held", { timeout: 60_000 }, async () => {
    const { expected, files } = JSON.parse(gunzipSync(readFileSync(join(import.meta.dirname, name))).toString());
    using directory = new TemporaryDirectory();
    unpackDirectory(directory.path, files);
    expect(await describeDataDirectory(directory.path)).toEqual(expected);
  });
});
