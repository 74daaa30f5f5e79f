import { Socket, type SocketConstructorOpts } from "node:net";

/** A connection whose bytes come in memory that the next read overwrites. */
export interface AdoptedSocket {
  readonly socket: Socket;
  /** Sets the receiver of all bytes. To be called in the turn of the adoption, once. */
  receive(onBytes: (chunk: Uint8Array) => void): void;
}

/**
 * The connection of `accepted`, read into `buffer`, which all connections of a process may share. Node's servers cannot
 * be told to read so, its clients can (`onread`): this hands the system's handle over to a socket of that kind. It spares
 * an allocation of 64 KiB and its collection for each read, which is a third of the work of receiving.
 *
 * `accepted` must be paused from its creation (`pauseOnConnect`) and is not used any more. If this version of Node keeps
 * its handle elsewhere, it goes on as it is, and each chunk is memory of its own.
 */
export function adoptSocket(accepted: Socket, buffer: Uint8Array): AdoptedSocket {
  const handle = "_handle" in accepted ? accepted._handle : undefined;
  if (typeof handle !== "object" || handle === null || !("useUserBuffer" in handle)) {
    return {
      socket: accepted,
      receive(onBytes) {
        accepted.on("data", onBytes);
        accepted.resume();
      },
    };
  }
  let receiver: ((chunk: Uint8Array) => void) | undefined;
  const callback = (byteLength: number): boolean => {
    receiver?.(buffer.subarray(0, byteLength));
    return true;
  };
  const options: SocketConstructorOpts = { onread: { buffer, callback } };
  // Node's type of this option knows only handles that are bound and not yet connected.
  Object.assign(options, { handle });
  return {
    socket: new Socket(options),
    receive(onBytes) {
      receiver = onBytes;
    },
  };
}
