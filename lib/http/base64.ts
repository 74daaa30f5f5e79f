import { z } from "zod";

/** The number of a payload that cannot be what it is said to be. */
export const INVALID_PAYLOAD = 42206;

/** The bytes of `text` if it is base64 as RFC 4648 section 4 has it: padded, one spelling for each value, nothing else. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  // Node passes over what it does not know; only the one right spelling comes back the same.
  return bytes.toString("base64") === text ? bytes : undefined;
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Bytes as text in JSON. */
export const base64Bytes = z
  .string()
  .transform((text, context): Uint8Array => {
    const bytes = bytesOfBase64(text);
    if (bytes !== undefined) return bytes;
    const message =
      "expected base64 (RFC 4648 section 4, padded); to send text or JSON as it is, use content type " +
      "application/vnd.kafka.json.v2+json on /topics";
    context.addIssue({ code: "custom", message, params: { errorCode: INVALID_PAYLOAD } });
    return z.NEVER;
  })
  .meta({ contentEncoding: "base64", pattern: "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$" });
