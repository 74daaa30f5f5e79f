import { z } from "zod";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import { parseJsonBody, readBody } from "../body.ts";
import { HttpError } from "../http-error.ts";
import type { InstanceCall } from "./find-instance.ts";
import { type NamedPartition, namedPartitions, partitionsBody } from "./instance-partitions.ts";

// Which partitions a GET asks about. The REST Proxy takes them from the request's body, which many clients cannot send with
// a GET and some fronts take away; so a parameter says it as well.

export const partitionsQuery = z.object({
  partitions: z
    .string()
    .transform((text, context): readonly NamedPartition[] => {
      const found = text.trimStart().startsWith("{") ? fromJson(text) : fromList(text);
      if (found !== undefined) return found;
      context.addIssue({ code: "custom", message: 'expected partitions as "orders:0,orders:1"' });
      return z.NEVER;
    })
    .optional()
    .meta({
      pattern: "^[^:,]+:[0-9]{1,9}(,[^:,]+:[0-9]{1,9})*$",
      description: "Topics and partitions.",
      example: "orders:0,orders:1",
    }),
});

function fromJson(text: string): readonly NamedPartition[] | undefined {
  try {
    const parsed = partitionsBody.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.partitions : undefined;
  } catch {
    return undefined;
  }
}

function fromList(text: string): readonly NamedPartition[] | undefined {
  const items = text.split(",").map((item) => /^([^:,]+):(\d{1,9})$/.exec(item));
  const partitions = items.flatMap((item) => {
    const [, topic, partition] = item ?? [];
    return topic === undefined || partition === undefined ? [] : [{ topic, partition: Number(partition) }];
  });
  const parsed = partitionsBody.safeParse({ partitions });
  return parsed.success && partitions.length === items.length ? parsed.data.partitions : undefined;
}

/** By parameter, by body, or all that are assigned to the instance and may be read. */
export async function askedPartitions(
  call: InstanceCall<z.output<typeof partitionsQuery>>,
  { assigned }: InstanceView,
): Promise<readonly NamedPartition[]> {
  const { partitions } = call.query;
  if (partitions !== undefined) return partitions;
  return (await fromBody(call)) ?? namedPartitions(assigned, "read", call);
}

async function fromBody({ request, getBody, runtime, signal }: InstanceCall) {
  if (getBody === undefined) return undefined;
  // As a request that may have a body, so that the same limits hold.
  const length = request.headers.get("content-length");
  const headers = length === null ? {} : { "content-length": length };
  const carrier = new Request(request.url, { method: "POST", headers, body: getBody, duplex: "half" });
  using received = await readBody(carrier, runtime.settings.bodyBytesMax, runtime.bodies, signal);
  if (received.bytes.byteLength === 0) return undefined;
  const parsed = partitionsBody.safeParse(parseJsonBody(received.bytes, JSON.parse));
  if (parsed.success) return parsed.data.partitions;
  throw new HttpError({ status: 422, message: 'body: expected {"partitions":[{"topic":"orders","partition":0}]}' });
}
