import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

function text(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

/** As the file stands in a project that has installed the package. */
function asInstalled(source: string): string {
  const lines = source.replace('"#lib/testing.ts"', '"millrace/testing"').split("\n");
  const imports = lines.filter((line) => line.startsWith("import ")).sort(byModule);
  return [...imports, ...lines.filter((line) => !line.startsWith("import "))].join("\n");
}

function byModule(one: string, other: string): number {
  const [a = "", b = ""] = [one, other].map((line) => /from "(.*)"/.exec(line)?.[1]);
  return a < b ? -1 : 1;
}

test("the examples of docs/TESTBROKER.md are tests that run here", () => {
  const blocks = [...text("docs/TESTBROKER.md").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  const files = ["test/testing/topic-example.test.ts", "test/testing/group-example.test.ts"];
  expect(blocks).toEqual(files.map((path) => asInstalled(text(path))));
});
