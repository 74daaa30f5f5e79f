import { describe, expect, test } from "vitest";
import { checkLayers } from "./layers.ts";
import { readTree } from "./tree.ts";

const findingsIn = (path: string, text: string): readonly string[] =>
  checkLayers([{ path, text }]).map((finding) => `${finding.line}: ${finding.text}`);

describe("the layers check", () => {
  test("finds nothing in this repository", () => {
    expect(checkLayers(readTree())).toEqual([]);
  });

  test("finds a folder that imports from a folder below it, and names the line", () => {
    const text = 'import { assert } from "#lib/util/assert.ts";\nimport {\n  a,\n} from "#lib/broker/router.ts";\n';
    expect(findingsIn("lib/log/fold.ts", text)).toEqual(["2: lib/log may not import lib/broker"]);
  });

  test("lets a folder import from folders above it", () => {
    expect(findingsIn("lib/broker/fetch.ts", 'import { plan } from "#lib/log/fetch-plan.ts";\n')).toEqual([]);
  });

  test("knows no imports in util at all", () => {
    const text = 'import type { Clock } from "#lib/runtime/clock.ts";\n';
    expect(findingsIn("lib/util/bytes.ts", text)).toEqual(["1: lib/util may not import lib/runtime"]);
  });

  test("wants relative paths inside a folder and the alias between folders", () => {
    expect(findingsIn("lib/log/a.ts", 'import { b } from "#lib/log/b.ts";\n')).toHaveLength(1);
    expect(findingsIn("lib/log/a.ts", 'import { b } from "../journal/b.ts";\n')).toHaveLength(1);
    expect(findingsIn("lib/adapters/local/a.ts", 'import { b } from "../memory/b.ts";\n')).toEqual([]);
    expect(findingsIn("test/log/a.ts", 'import { b } from "../../lib/log/b.ts";\n')).toHaveLength(1);
  });

  test("gives adapters the types of any port and the values of a few", () => {
    expect(findingsIn("lib/adapters/local/a.ts", 'import type { B } from "#lib/log/b.ts";\n')).toEqual([]);
    expect(findingsIn("lib/adapters/local/a.ts", 'import { type B } from "#lib/log/b.ts";\n')).toEqual([]);
    expect(findingsIn("lib/adapters/local/a.ts", 'import { type B, c } from "#lib/log/b.ts";\n')).toHaveLength(1);
  });

  test("keeps files, databases, sockets, codecs and SDKs in their folders", () => {
    for (const module of ["node:fs", "node:sqlite", "node:net", "node:zlib", "snappy", "@aws-sdk/client-s3", "pino"]) {
      expect(findingsIn("lib/log/a.ts", `import { x } from "${module}";\n`), module).toHaveLength(1);
    }
    expect(findingsIn("lib/gateway/a.ts", 'import { connect } from "node:net";\n')).toEqual([]);
    expect(findingsIn("lib/adapters/local/a.ts", 'import { open } from "node:fs/promises";\n')).toEqual([]);
    expect(findingsIn("lib/record/a.ts", 'import { gzipSync } from "node:zlib";\n')).toEqual([]);
  });

  test("finds dynamic imports, re-exports, randomness, and packages that nobody listed", () => {
    expect(findingsIn("lib/log/a.ts", 'const b = await import("#lib/http/app.ts");\n')).toHaveLength(1);
    expect(findingsIn("lib/log/a.ts", 'export * from "#lib/http/app.ts";\n')).toHaveLength(1);
    expect(findingsIn("lib/log/a.ts", 'import { createHash, randomUUID } from "node:crypto";\n')).toHaveLength(1);
    expect(findingsIn("lib/log/a.ts", 'import { createHash } from "node:crypto";\n')).toEqual([]);
    expect(findingsIn("lib/log/a.ts", 'import leftPad from "left-pad";\n')).toHaveLength(1);
  });

  test("finds a folder of lib that is not in the table", () => {
    expect(findingsIn("lib/helpers/a.ts", "export const a = 1;\n")).toEqual([
      "1: lib/helpers is not in the layers table",
    ]);
  });
});
