import { ConsumerCalls } from "./consumer-calls.ts";
import { ConsumerTargets } from "./consumer-targets.ts";
import { GroupAccess, type GroupAccessOptions } from "./group-access.ts";
import { GroupCalls } from "./group-calls.ts";
import { InstanceCalls } from "./instance-calls.ts";
import { JoinCalls, type JoinRequest, type JoinResult } from "./join-calls.ts";
import { MemberCalls } from "./member-calls.ts";
import { OffsetCalls } from "./offset-calls.ts";

/**
 * Consumer groups as handlers see them. Any process may answer any call: what is decided stands in the group's journal,
 * and who calls itself coordinator only saves waiting (docs/ARCHITECTURE.md section 7).
 */
export class GroupCoordinator implements Disposable {
  readonly members: MemberCalls;
  readonly consumers: ConsumerCalls;
  readonly offsets: OffsetCalls;
  /** Consumers over HTTP. */
  readonly instances: InstanceCalls;
  readonly admin: GroupCalls;
  readonly access: GroupAccess;
  readonly #joins: JoinCalls;

  constructor(options: GroupAccessOptions) {
    this.access = new GroupAccess(options);
    const targets = new ConsumerTargets(this.access);
    this.#joins = new JoinCalls(this.access, targets);
    this.members = new MemberCalls(this.access, targets);
    this.consumers = new ConsumerCalls(this.access, targets);
    this.offsets = new OffsetCalls(this.access);
    this.instances = new InstanceCalls(this.access, this.consumers);
    this.admin = new GroupCalls(this.access);
  }

  /** JoinGroup. Resolves when the round is over. */
  join(request: JoinRequest, signal: AbortSignal): Promise<JoinResult> {
    return this.#joins.join(request, signal);
  }

  /** Opens all group journals and observes their groups, so that members of dead processes expire. */
  async observeAll(signal: AbortSignal): Promise<void> {
    await this.access.allJournals(signal);
  }

  /**
   * Expires members and rounds whose time is over, in all groups, as of a strong read; resolves to how many groups have
   * something left that may expire. For a schedule to call where no process is there all the time.
   */
  async expireOverdue(signal: AbortSignal): Promise<number> {
    await this.access.allJournals(signal);
    await this.access.watches.expireOverdue();
    return this.access.watches.count;
  }

  [Symbol.dispose](): void {
    this.#joins[Symbol.dispose]();
    this.members[Symbol.dispose]();
    this.access[Symbol.dispose]();
  }
}
