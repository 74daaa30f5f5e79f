import { type Finished, type RunOptions, run } from "../support/processes.ts";

/** One run of kcat against a broker. `args` start with the mode (-L, -P, -C or -Q). */
export async function kcat(address: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return await run("kcat", ["-b", address, ...args], { timeoutMs: 30_000, ...options });
}

/** Like `kcat`, but any exit status other than 0 is an error. Answers what it printed. */
export async function kcatOutput(address: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await kcat(address, args, options);
  if (finished.code !== 0) throw new Error(`kcat ${args.join(" ")} ended with ${finished.code}: ${finished.stderr}`);
  return finished.stdout;
}

/** Everything in one partition, a line per record in kcat's `format`, with librdkafka checking every CRC. */
export async function consumePartition(
  address: string,
  from: { readonly topic: string; readonly partition: number; readonly offset?: string },
  format = "%s\n",
): Promise<readonly string[]> {
  const place = ["-t", from.topic, "-p", String(from.partition), "-o", from.offset ?? "beginning"];
  const args = ["-C", ...place, "-e", "-q", "-X", "check.crcs=true", "-f", format];
  return linesOf(await kcatOutput(address, args));
}

export const linesOf = (text: string): readonly string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
