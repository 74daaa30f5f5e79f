import { type Committer, GroupClient } from "./group-client.ts";

/** A client that is no member, and only keeps its offsets in the group, as those do that assign partitions themselves. */
export class SimpleClient extends GroupClient {
  override get generation(): number {
    return -1;
  }

  override get isSettled(): boolean {
    return true;
  }

  protected override get committer(): Committer {
    return { memberId: "", groupInstanceId: undefined, generation: -1, knowsMemberEpochs: false };
  }

  override async run(): Promise<void> {
    for (;;) {
      // Long enough, now and then, for everything to expire.
      await this.sleep(this.random.below(Math.min(60_000, 2 * this.world.profile.retentionMs)));
      this.positions.clear();
      this.own([0]);
      await this.fetchPositions();
      await this.live(async () => undefined);
    }
  }
}
