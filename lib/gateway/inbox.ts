import type { Socket } from "node:net";
import { QUEUED_FRAMES_BYTES_MAX, QUEUED_FRAMES_MAX } from "#lib/util/limits.ts";
import type { AdoptedSocket } from "./adopted-socket.ts";
import { FrameAssembler } from "./frame-assembler.ts";
import type { FrameMemory } from "./frame-memory.ts";
import type { PausableReader, ReceivedBytes } from "./received-bytes.ts";

export interface InboxOptions {
  readonly requestBytesMax: number;
  readonly received: ReceivedBytes;
  readonly memory: FrameMemory;
}

/**
 * The frames that a socket brings, one at a time. Stops reading the socket while enough of them wait, or while all
 * connections together hold too much.
 */
export class Inbox implements PausableReader {
  readonly #socket: Socket;
  readonly #received: ReceivedBytes;
  readonly #memory: FrameMemory;
  readonly #assembler: FrameAssembler;
  readonly #frames: Uint8Array[] = [];
  #failure: unknown;
  #closed = false;
  #pausedByTotal = false;
  /** Received and not answered. */
  #heldBytes = 0;
  #heldFrames = 0;
  /** Of frames that nobody has taken yet. */
  #queuedBytes = 0;
  #wake: (() => void) | undefined;

  constructor({ socket, receive }: AdoptedSocket, { received, memory, requestBytesMax }: InboxOptions) {
    this.#socket = socket;
    this.#received = received;
    this.#memory = memory;
    this.#assembler = new FrameAssembler({ frameBytesMax: requestBytesMax, memory });
    receive((chunk) => this.#onData(chunk));
    socket.on("end", () => this.end());
    socket.on("close", () => this.end());
  }

  /**
   * The next frame without its size; undefined when the connection has ended. Throws for a bad frame, once. Its memory is
   * used again when `answered` is called.
   */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        this.#queuedBytes -= frame.byteLength;
        this.#flow();
        return frame;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Takes nothing more; what has come whole is still handed out. */
  end(): void {
    this.#closed = true;
    this.#notify();
  }

  /** Gives back the bytes of a frame that has been answered: nothing refers to them any more. */
  answered(frame: Uint8Array): void {
    this.#memory.giveBack(frame);
    this.#release(frame.byteLength + FRAME_SIZE_BYTES, 1);
  }

  /** Takes nothing more and counts nothing more; frames that are still worked on keep their memory until `answered`. */
  dispose(): void {
    this.end();
    this.#assembler.drop();
    for (const frame of this.#frames.splice(0)) this.#memory.giveBack(frame);
    this.#queuedBytes = 0;
    this.#release(this.#heldBytes, this.#heldFrames);
    this.#received.gone(this);
  }

  pause(): void {
    this.#pausedByTotal = true;
    this.#flow();
  }

  resume(): void {
    this.#pausedByTotal = false;
    this.#flow();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#closed || this.#failure !== undefined) return;
    let frameCount = 0;
    try {
      this.#assembler.push(chunk, (frame) => {
        this.#queuedBytes += frame.byteLength;
        this.#frames.push(frame);
        frameCount++;
      });
    } catch (error) {
      // What came whole before the fault is still served; then the connection ends.
      this.#failure = error;
    }
    this.#heldBytes += chunk.byteLength;
    this.#heldFrames += frameCount;
    this.#received.received(this, chunk.byteLength, frameCount);
    this.#flow();
    this.#notify();
  }

  #flow(): void {
    const isFull = this.#frames.length >= QUEUED_FRAMES_MAX || this.#queuedBytes >= QUEUED_FRAMES_BYTES_MAX;
    if (isFull || this.#pausedByTotal || this.#failure !== undefined) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #release(byteLength: number, frameCount: number): void {
    const bytes = Math.min(byteLength, this.#heldBytes);
    const frames = Math.min(frameCount, this.#heldFrames);
    this.#heldBytes -= bytes;
    this.#heldFrames -= frames;
    if (bytes > 0) this.#received.released(bytes, frames);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

const FRAME_SIZE_BYTES = 4;
