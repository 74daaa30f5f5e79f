import type { ScheduledCall } from "#lib/runtime/clock.ts";
import { GIVEN_MEMBER_ID_MS, GIVEN_MEMBER_IDS_MAX, GIVEN_MEMBER_NAMES_LENGTH_MAX } from "#lib/util/limits.ts";
import type { JoinCommand } from "../classic-command.ts";
import type { GroupAccess } from "./group-access.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * Ids that this process has given out to classic clients (KIP-394), each good for one joining. A client joins with its id at
 * once, nearly always here, and then the journal need not have heard of it. If it takes its time the id is reserved in the
 * journal, where every process finds it, and where a round waits for it. To whoever comes elsewhere before that, or after
 * this process has died, the id is unknown, and it asks for another.
 */
export class GivenMemberIds {
  readonly #access: GroupAccess;
  /** By group and member id: what reserves it in time. */
  readonly #given = new Map<string, ScheduledCall>();
  /** On their way to the journal: nobody waits for it who could be held up, so they count until they are there. */
  #reservingCount = 0;

  constructor(access: GroupAccess) {
    this.#access = access;
  }

  /** False if there are too many, or one says too much: the command is to be proposed at once. */
  give(command: JoinCommand): boolean {
    const count = this.#given.size + this.#reservingCount;
    if (count >= GIVEN_MEMBER_IDS_MAX || namesLengthOf(command) > GIVEN_MEMBER_NAMES_LENGTH_MAX) return false;
    const key = keyOf(command);
    // Reserving takes no metadata, whose bytes are the request's and gone with it.
    const protocols = command.protocols.map(({ name }) => ({ name, metadata: NO_BYTES }));
    const reserving = { ...command, protocols };
    const reserve = () => {
      this.#given.delete(key);
      this.#reservingCount++;
      void this.#access.proposeUnasked(reserving).finally(() => {
        this.#reservingCount--;
      });
    };
    this.#given.set(key, this.#access.clock.schedule(GIVEN_MEMBER_ID_MS, reserve));
    return true;
  }

  /** Whether the id was given out here and nobody has joined with it. From now on somebody has. */
  take(request: { readonly groupId: string; readonly memberId: string }): boolean {
    const key = keyOf(request);
    const reserve = this.#given.get(key);
    reserve?.cancel();
    return this.#given.delete(key);
  }

  [Symbol.dispose](): void {
    for (const reserve of this.#given.values()) reserve.cancel();
    this.#given.clear();
  }
}

function namesLengthOf({ groupId, memberId, clientId, protocolType, protocols }: JoinCommand): number {
  return [groupId, memberId, clientId, protocolType, ...protocols.map(({ name }) => name)].join("").length;
}

function keyOf({ groupId, memberId }: { readonly groupId: string; readonly memberId: string }): string {
  return `${memberId} ${groupId}`;
}
