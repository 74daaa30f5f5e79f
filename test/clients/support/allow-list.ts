/** Which tests of somebody else's suite run here. `runs` may only grow; what does not run says why. */
export interface AllowList {
  /** By the names that the suite itself uses. */
  readonly runs: readonly string[];
  /** Tests that talk to a broker and do not run, each with its reason. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/** The tests to run, after a look for names on both lists. */
export function testsToRun(list: AllowList): readonly string[] {
  const both = list.runs.filter((name) => Object.hasOwn(list.leftOut, name));
  if (both.length > 0) throw new Error(`both run and left out: ${both.join(", ")}`);
  return list.runs;
}

/** What is wrong with a list beside the number of tests that its suite ran before; nothing if it only grew. */
export function findingsOf(list: AllowList, floor: number): readonly string[] {
  // A name that stands there twice runs no second test.
  const count = new Set(list.runs).size;
  const findings: string[] = [];
  if (count < list.runs.length) findings.push("names a test twice");
  if (count < floor) findings.push(`runs ${count} tests and ran ${floor}: a list may only grow`);
  if (count > floor) findings.push(`runs ${count} tests: raise its floor from ${floor}`);
  for (const [name, reason] of Object.entries(list.leftOut)) {
    if (reason.trim() === "") findings.push(`${name} is left out without a reason`);
  }
  return findings;
}
