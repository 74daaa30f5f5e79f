import { z } from "zod";

/**
 * Capacity units that are paid by the hour, whether used or not, and follow the load between two bounds; where both bounds
 * are the same, they stay as they are.
 */
export interface ProvisionedCapacity {
  /** Write units a second: a KiB each. */
  readonly minWrites: number;
  readonly maxWrites: number;
  /** Read units a second: 4 KiB read strongly, 8 KiB eventually. */
  readonly minReads: number;
  readonly maxReads: number;
  /** Percent of what is provisioned that is meant to be used. */
  readonly targetPercent: number;
}

/** How the table of the journals is paid: by the request, or by the hour. */
export type JournalCapacity = "on-demand" | ProvisionedCapacity;

/** What DynamoDB gives a table unless asked. */
const UNITS_MAX = 40_000;
/** What an account has for nothing each month. */
const UNITS_MIN = 25;
/** About 240 dollars a month for writes, 50 for reads, if they ever stood for a month. */
const UNITS_BOUND = 500;
/** What Application Auto Scaling takes for tables. */
const TARGET_PERCENT_MIN = 20;
const TARGET_PERCENT_MAX = 90;

const units = z.coerce.number().int().min(1).max(UNITS_MAX);

const provisioned = z
  .strictObject({
    minWrites: units.default(UNITS_MIN),
    maxWrites: units.default(UNITS_BOUND),
    minReads: units.default(UNITS_MIN),
    maxReads: units.default(UNITS_BOUND),
    targetPercent: z.coerce.number().int().min(TARGET_PERCENT_MIN).max(TARGET_PERCENT_MAX).default(70),
  })
  .refine(({ minWrites, maxWrites }) => minWrites <= maxWrites, "minWrites must not be above maxWrites")
  .refine(({ minReads, maxReads }) => minReads <= maxReads, "minReads must not be above maxReads");

const WORDS = 'expected "on-demand", "provisioned", or {"minWrites":…,"maxWrites":…,"minReads":…,"maxReads":…,…}';

/** The command line can say a text only: one of two words, or the object as JSON. */
const text = z.string().transform((given, context): unknown => {
  if (given === "provisioned") return {};
  try {
    return JSON.parse(given);
  } catch {
    context.addIssue({ code: "custom", message: WORDS });
    return z.NEVER;
  }
});

/** A word or an object; bounds that are left out have defaults. */
export const journalCapacity: z.ZodType<JournalCapacity, unknown> = z.union([
  z.literal("on-demand"),
  z.union([text, z.looseObject({})], { error: WORDS }).pipe(provisioned),
]);
