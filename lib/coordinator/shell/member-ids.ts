import type { Random } from "#lib/runtime/random.ts";

/** A new member id as Kafka makes them: the client id, or the instance id of a static member, and a random UUID. */
export function newMemberId(prefix: string, random: Random): string {
  const bytes = Uint8Array.from(random.bytes(16));
  // Version 4, variant 1 (RFC 9562).
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString("hex");
  const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return `${prefix}-${groups.join("-")}`;
}
