/** More letters apart than this, and one is not what the other was meant to be. */
const DISTANCE_MAX = 3;

/** The name that a mistyped one was probably meant to be: the fewest letters to add, drop or change, and no more than three. */
export function nearestName<N extends string>(typed: string, names: readonly N[]): N | undefined {
  let nearest: N | undefined;
  let least = DISTANCE_MAX + 1;
  for (const name of names) {
    const distance = editDistance(typed, name);
    if (distance >= least) continue;
    [nearest, least] = [name, distance];
  }
  return nearest;
}

/** After Wagner and Fischer, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [at, letter] of [...from].entries()) {
    const next = [at + 1];
    for (let index = 1; index <= to.length; index++) {
      const changed = (row[index - 1] ?? 0) + (letter === to[index - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[index] ?? 0) + 1, (next[index - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
