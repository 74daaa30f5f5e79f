/** `Promise.all(items.map(work))`, but at most `atOnceMax` at a time: the next chunk begins when the last one is done. */
export async function mapInChunks<T, R>(
  items: readonly T[],
  atOnceMax: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += atOnceMax) {
    for (const result of await Promise.all(items.slice(from, from + atOnceMax).map(work))) results.push(result);
  }
  return results;
}
