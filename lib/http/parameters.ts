import { z } from "zod";

// Parameters that several routes have, as texts that become numbers.

const PARTITION_MAX = 0x7fff_ffff;

/** The number behind what a path calls a partition that cannot be one. */
const NO_SUCH_PARTITION = 40402;

export const topicParam = z.string().meta({ description: "Name of the topic.", example: "orders" });

export const partitionParam = z
  .string()
  .transform((text, context) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (value <= PARTITION_MAX) return value;
    const params = { errorCode: NO_SUCH_PARTITION };
    context.addIssue({ code: "custom", message: "there is no such partition", params });
    return z.NEVER;
  })
  .meta({ type: "integer", minimum: 0, maximum: PARTITION_MAX, description: "Partition, from 0.", example: 0 });

export const topicParams = z.object({ topic: topicParam });
export const partitionParams = z.object({ topic: topicParam, partition: partitionParam });

/** A whole number in a query or a header. */
export function wholeNumber(
  range: { readonly min: number; readonly max: number },
  described: { readonly description: string; readonly example?: number },
) {
  const { min, max } = range;
  return z
    .string()
    .transform((text, context) => {
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      context.addIssue({ code: "custom", message: `expected a whole number, ${min} to ${max}` });
      return z.NEVER;
    })
    .meta({ type: "integer", minimum: min, maximum: max, ...described });
}
