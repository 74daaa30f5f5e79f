import { ByteBudget, type ByteGrant } from "#lib/log/fetch-budget.ts";
import { HTTP_BODIES_BYTES_MAX, HTTP_SMALL_BODIES_BYTES_MAX, HTTP_SMALL_BODY_BYTES_MAX } from "#lib/util/limits.ts";

/** Where the right to hold a body comes from. */
export type BodyGrants = Pick<ByteBudget, "acquire">;

/**
 * Bounds the bodies that are being read and worked on, all requests together. Small ones have a budget of their own: a few
 * clients that send large bodies slowly hold up other large bodies, and nobody else.
 */
export class BodyBudget implements BodyGrants {
  readonly #small = new ByteBudget(HTTP_SMALL_BODIES_BYTES_MAX);
  readonly #large = new ByteBudget(HTTP_BODIES_BYTES_MAX);

  acquire(bytes: number, signal: AbortSignal): Promise<ByteGrant> {
    return (bytes <= HTTP_SMALL_BODY_BYTES_MAX ? this.#small : this.#large).acquire(bytes, signal);
  }
}
