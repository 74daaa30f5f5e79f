import type { z } from "zod";
import { JSON_TYPE, V2_ANSWER_TYPES, V2_BINARY_TYPE, V2_JSON_TYPE, V2_TYPE } from "../media-types.ts";

// Bodies and answers about consumers hold no records, so the embedded formats are taken as well and say nothing: clients
// name theirs with every call.

const TYPES = [V2_TYPE, V2_JSON_TYPE, V2_BINARY_TYPE, JSON_TYPE] as const;

/** What all endpoints about consumers declare alike. */
export const OF_CONSUMERS = {
  area: "v2",
  tag: "consumers",
  answerTypes: [...V2_ANSWER_TYPES, V2_JSON_TYPE, V2_BINARY_TYPE],
} as const;

/** The same body in all of the REST Proxy's content types. */
export function consumerBody<B extends z.ZodType>(body: B): Record<(typeof TYPES)[number], B> {
  return { [V2_TYPE]: body, [V2_JSON_TYPE]: body, [V2_BINARY_TYPE]: body, [JSON_TYPE]: body };
}

export function consumerExamples(example: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(TYPES.map((type) => [type, example]));
}
