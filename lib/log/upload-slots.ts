import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import { UPLOAD_SLOT_MS_MAX, UPLOADS_STALLED_MAX } from "#lib/util/limits.ts";

export interface UploadSlotsOptions {
  readonly clock: Clock;
  readonly countMax: number;
  /** Called when a slot becomes free. */
  readonly onFree: () => void;
}

/**
 * How many flushes may be uploading at once. One whose store does not answer loses its slot after a while and goes on
 * without, so that it does not hold up those for other stores; only so many, for each keeps its bytes in memory.
 */
export class UploadSlots {
  readonly #options: UploadSlotsOptions;
  #taken = 0;
  #stalled = 0;

  constructor(options: UploadSlotsOptions) {
    this.#options = options;
  }

  get isFree(): boolean {
    return this.#taken < this.#options.countMax;
  }

  /** Takes a slot until `uploaded` resolves; `mayStall`: or for a while. */
  hold(uploaded: Promise<void>, { mayStall }: { readonly mayStall: boolean }): void {
    const { clock, onFree } = this.#options;
    this.#taken++;
    let isStalled = false;
    const stall = (): void => {
      if (this.#stalled >= UPLOADS_STALLED_MAX) return;
      isStalled = true;
      this.#stalled++;
      this.#taken--;
      onFree();
    };
    const timer: ScheduledCall | undefined = mayStall ? clock.schedule(UPLOAD_SLOT_MS_MAX, stall) : undefined;
    void uploaded.then(() => {
      timer?.cancel();
      if (isStalled) this.#stalled--;
      else this.#taken--;
      onFree();
    });
  }
}
