import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { FoldedConsumers } from "../../coordinator/consumer-fixtures.ts";
import { GROUP } from "../../coordinator/group-fixtures.ts";
import { Scheduler } from "../scheduler.ts";
import { GroupTruth } from "./group-truth.ts";

/** One group's truth under test, told of each command as it is folded. */
export class FoldedTruth {
  readonly groups = new FoldedConsumers();
  readonly problems: string[] = [];
  readonly truth = new GroupTruth(GROUP, {
    scheduler: new Scheduler(),
    problems: this.problems,
    consumerSessionMs: 0,
    retentionMs: 0,
    recordAtMs: () => 0,
  });

  fold(command: GroupCommand): void {
    const before = this.truth.before(this.groups.state.groups.get(GROUP), command);
    const outcome = this.groups.fold(command);
    this.truth.after(this.groups.state.groups.get(GROUP), command, outcome, before);
  }
}
