/** Microseconds for one operation, a sample for each repeat, after a warm-up. `work` does `count` operations. */
export async function microsPerOperation(
  how: { readonly count: number; readonly repeats: number },
  work: (count: number) => Promise<void> | void,
): Promise<readonly number[]> {
  const samples: number[] = [];
  await work(Math.ceil(how.count / 4));
  for (let repeat = 0; repeat < how.repeats; repeat++) {
    const began = performance.now();
    await work(how.count);
    samples.push(((performance.now() - began) * 1_000) / how.count);
  }
  return samples;
}
