import { z } from "zod";
import { isIpRange } from "#lib/security/ip-rules.ts";

// Who may call over HTTP, said alike by `millrace serve`, by a deployment and by a deployed function.

export const ipRange = z
  .string()
  .refine((text) => isIpRange(text), "expected an address or a range such as 10.0.0.0/8");

export const corsOrigin = z
  .string()
  .regex(/^(\*|https?:\/\/[^/\s,]+)$/, "expected an origin such as https://example.com, without a path, or *");
