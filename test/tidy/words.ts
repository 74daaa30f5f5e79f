import { type Finding, lineAt, type SourceFile } from "./tree.ts";

interface WordRule {
  readonly pattern: RegExp;
  readonly applies: (path: string) => boolean;
  readonly text: string;
}

const isCode = (path: string): boolean => path.endsWith(".ts");
const isOurs = (path: string): boolean => !path.endsWith(".json");

// The marks are put together here, or this file would be its own first finding.
const MARKS = ["TO" + "DO", "FIX" + "ME", "X" + "XX"];

const RULES: readonly WordRule[] = [
  {
    pattern: /\bMath\.random\b/g,
    applies: (path) => isCode(path) && !/^(lib\/adapters|test|bench)\//.test(path),
    text: "takes chance from the language; take a Random (lib/runtime/random.ts)",
  },
  {
    pattern: new RegExp(`\\b(?:${MARKS.join("|")})\\b`, "g"),
    applies: isOurs,
    text: "is a mark of unfinished work; finish it or open an issue",
  },
  {
    pattern: /\b(?:test|it|describe|suite|bench)\.(?:only|skip|todo)\b/g,
    applies: (path) => isCode(path) && /^(test|bench)\//.test(path) && !path.startsWith("test/tidy/"),
    text: "leaves tests out",
  },
];

export function checkWords(files: readonly SourceFile[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of files) {
    for (const rule of RULES) {
      if (!rule.applies(path)) continue;
      for (const match of text.matchAll(rule.pattern)) {
        findings.push({ path, line: lineAt(text, match.index), text: `${match[0]} ${rule.text}` });
      }
    }
  }
  return findings;
}
