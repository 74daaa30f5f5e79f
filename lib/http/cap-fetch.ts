import { ApiKey } from "#lib/protocol/api-key.ts";
import { parseRequestHeader } from "#lib/protocol/request-header.ts";

// The beginning of a Fetch request; from version 15 on without the replica (KIP-903).
//
//     replica id int32 | max wait int32 | min bytes int32 | max bytes int32 | ...

const FIRST_WITH_MAX_BYTES = 3;
const FIRST_WITHOUT_REPLICA = 15;

/**
 * Lowers what a Fetch asks for to what one answer over HTTP may hold, in place; a first batch that is larger comes all the
 * same. Other requests stay as they are, also those that cannot be read: whoever decodes them tells.
 */
export function capFetch(frame: Uint8Array, bytesMax: number): void {
  const { header, body } = parseRequestHeader(frame);
  if (header.apiKey !== ApiKey.FETCH || header.apiVersion < FIRST_WITH_MAX_BYTES) return;
  const at = header.apiVersion < FIRST_WITHOUT_REPLICA ? 12 : 8;
  if (body.byteLength < at + 4) return;
  const view = new DataView(body.buffer, body.byteOffset);
  view.setInt32(at, Math.min(view.getInt32(at), bytesMax));
}
