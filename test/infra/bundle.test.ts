import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { defined } from "#lib/util/assert.ts";
import { bundleFunctions, FUNCTION_NAMES } from "../../infra/bundle-functions.ts";
import { loadedAtStart } from "../../infra/loaded-at-start.ts";

const directory = mkdtempSync(join(tmpdir(), "millrace-bundle-"));
const { metafile, missingBinaries } = bundleFunctions(directory, "arm64");

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("each function has an entry of its own, and all share their code", () => {
  const files = readdirSync(directory).filter((name) => name.endsWith(".mjs"));
  for (const name of FUNCTION_NAMES) expect(files).toContain(`${name}.mjs`);
  expect(files.some((name) => name.startsWith("shared-"))).toBe(true);
});

test("holds nothing that only the command line, the gateway or tests need", () => {
  const packages = Object.keys(metafile.inputs).map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  const unwanted = ["commander", "pino", "prom-client", "@hono/node-server", "vitest", "aws-cdk-lib"];
  expect(unwanted.filter((name) => packages.includes(name))).toEqual([]);
  const ours = Object.keys(metafile.inputs).filter((path) => /^(?:bin|bench|test|infra|lib\/gateway)\//.test(path));
  expect(ours).toEqual([]);
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  expect(imported).not.toContain("node:sqlite");
  expect(imported).not.toContain("sqlite");
});

test("holds one of zod's languages", () => {
  const included = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const locales = included.filter((path) => path.includes("zod/v4/locales/"));
  expect(locales.map((path) => path.replace(/.*\//, ""))).toEqual(["en.js"]);
});

test("holds the operations of S3 that are called, and not the hundred others", () => {
  const code = Object.keys(metafile.outputs)
    .filter((path) => path.endsWith(".mjs"))
    .map((path) => readFileSync(join(directory, basename(path)), "utf8"));
  const holds = (text: string) => code.some((each) => each.includes(text));
  expect(["PutObject$", "GetObject$", "ListObjectsV2$", "DeleteObjects$"].filter((name) => !holds(name))).toEqual([]);
  expect(["PutBucketAnalyticsConfiguration", "SelectObjectContent$"].filter(holds)).toEqual([]);
});

test.each(["produce", "fetch", "consumers"])("%s starts without the routes that it is sent no requests of", (name) => {
  const included = loadedAtStart(name, metafile).flatMap(({ inputs }) => Object.keys(inputs));
  expect(included).toContain("functions/http-door.ts");
  const foreign = ["v3-topics", "v1-keys", "v1-kafka", "service"].map((file) => `lib/http/routes/${file}.ts`);
  expect(foreign.filter((path) => included.includes(path))).toEqual([]);
  expect(included).not.toContain("lib/broker/handlers.ts");
});

test("has all of zod that it calls: the bundler does not miss what is left out, a function would", async () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const paths = Object.keys(metafile.inputs);
  const ours = paths.filter((path) => /^(?:lib|functions)\//.test(path)).map((path) => join(root, path));
  // What stands before parameters is a type, and so is what zod itself does not have.
  const called = ours.flatMap((path) =>
    [...readFileSync(path, "utf8").matchAll(/\bz\s*\.(?!core\.\$)(\w+)\b(?!<)/g)].map(([, name = ""]) => name),
  );
  const index = defined(paths.find((path) => path.endsWith("millrace-zod/index.js")));
  const zod: object = (await import(pathToFileURL(join(root, index)).href)).z;
  expect(called.length).toBeGreaterThan(200);
  expect([...new Set(called)].filter((name) => name in z && !(name in zod))).toEqual([]);
});

test("the same sources make the same bundle, so that a deployment changes no function without need", () => {
  const again = mkdtempSync(join(tmpdir(), "millrace-bundle-"));
  try {
    bundleFunctions(again, "arm64");
    const contents = (of: string) =>
      readdirSync(of)
        .filter((name) => name.endsWith(".mjs"))
        .map((name) => [name, readFileSync(join(of, name), "utf8").length]);
    expect(contents(again)).toEqual(contents(directory));
  } finally {
    rmSync(again, { recursive: true, force: true });
  }
});

test("has native packages of the function's platform or none, never those of this machine", () => {
  const modules = join(directory, "node_modules");
  const binaries = existsSync(modules)
    ? readdirSync(modules, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".node"))
    : [];
  expect(binaries.filter((path) => !path.includes("arm64"))).toEqual([]);
  expect(binaries.length + missingBinaries.length).toBe(3);
});
