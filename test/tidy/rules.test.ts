import { describe, expect, test } from "vitest";
import { checkDependencies, checkLinks, checkLockfile } from "./documents.ts";
import { checkWords } from "./words.ts";

const at = (path: string, text: string): readonly { path: string; text: string }[] => [{ path, text }];

describe("the rules about words", () => {
  test("find chance from the language in lib, and let tests and adapters have it", () => {
    const text = "const a = 1;\nconst b = Math.random();\n";
    expect(checkWords(at("lib/log/a.ts", text)).map((finding) => finding.line)).toEqual([2]);
    expect(checkWords(at("lib/adapters/node/random.ts", text))).toEqual([]);
  });

  test("find marks of unfinished work in code and documents", () => {
    const mark = ["TO", "DO"].join("");
    expect(checkWords(at("lib/log/a.ts", `// ${mark}: later\n`))).toHaveLength(1);
    expect(checkWords(at("README.md", `${mark}\n`))).toHaveLength(1);
  });

  test("find tests that are left out or that leave out the others", () => {
    for (const how of ["only", "skip", "todo"]) {
      expect(checkWords(at("test/log/a.test.ts", `test.${how}("a", () => {});\n`)), how).toHaveLength(1);
    }
  });
});

describe("the rules about documents", () => {
  const exists = (path: string): boolean => path === "docs/FORMATS.md";

  test("find a relative link that leads nowhere, but not in code blocks or to other sites", () => {
    const text = "[a](FORMATS.md#wal) [b](https://example.org/x) [c](#here)\n```\n[d](gone.md)\n```\n[e](gone.md)\n";
    expect(checkLinks(at("docs/A.md", text), exists).map((finding) => finding.line)).toEqual([5]);
  });

  test("find a dependency without a line and a line without a dependency", () => {
    const files = [
      ...at("package.json", '{ "dependencies": { "a": "1" }, "devDependencies": { "@s/b": "1" } }'),
      ...at("docs/DEPENDENCIES.md", "| package | what for |\n|---|---|\n| `a` | x |\n| `c` | y |\n"),
    ];
    expect(checkDependencies(files).map((finding) => finding.text)).toEqual([
      "has no line for @s/b",
      "names c, no longer a dependency",
    ]);
  });

  test("find download addresses in the lockfile", () => {
    expect(checkLockfile(at("package-lock.json", '{\n  "resolved": "https://x"\n}'))).toHaveLength(1);
    expect(checkLockfile(at("package-lock.json", "{}"))).toEqual([]);
    expect(checkLockfile([])).toHaveLength(1);
  });
});
