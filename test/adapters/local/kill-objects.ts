import { createHash } from "node:crypto";

/** The chunks that the object of that name must hold: up to 300 KiB, different for each name. */
export function objectBytes(name: string): readonly Uint8Array[] {
  const digest = createHash("sha256").update(name).digest();
  return Array.from({ length: 1 + (digest[0] ?? 0) }, (_, index) => Buffer.alloc(1_200, digest[index % 32]));
}
