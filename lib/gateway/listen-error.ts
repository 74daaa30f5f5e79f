import { LogError } from "#lib/util/errors.ts";

/** A listener could not be opened: the port is taken, or the host is not ours. */
export class ListenError extends LogError {
  override readonly name = "ListenError";
  override readonly kind = "unavailable";
  readonly door: "kafka" | "http";

  constructor(
    door: "kafka" | "http",
    { host, port }: { readonly host: string; readonly port: number },
    cause: unknown,
  ) {
    super(`cannot listen on ${host}:${port}`, { cause });
    this.door = door;
  }
}
