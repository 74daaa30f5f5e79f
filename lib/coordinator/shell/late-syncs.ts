import type { ScheduledCall } from "#lib/runtime/clock.ts";
import { SYNC_GATHER_MS } from "#lib/util/limits.ts";
import type { SyncCommand } from "../classic-command.ts";
import type { GroupAccess } from "./group-access.ts";

/**
 * SyncGroups that are answered before they are journaled. What a member is given was decided when its leader spoke; that it
 * has come for it is of use only to those who would expel it for not coming, minutes later. So a generation's members share
 * a record, and wait for none. If this process dies in between they count as missing, and have to join once more.
 */
export class LateSyncs {
  readonly #access: GroupAccess;
  /** By group and member: whoever asks again is noted once. */
  #waiting = new Map<string, SyncCommand>();
  #timer: ScheduledCall | undefined;

  constructor(access: GroupAccess) {
    this.#access = access;
  }

  add(command: SyncCommand): void {
    this.#waiting.set(`${command.memberId} ${command.groupId}`, command);
    this.#timer ??= this.#access.clock.schedule(SYNC_GATHER_MS, () => this.#propose());
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  #propose(): void {
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const command of waiting.values()) void this.#access.proposeUnasked(command);
  }
}
