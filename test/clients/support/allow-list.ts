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
