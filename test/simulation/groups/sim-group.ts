import { GroupOwners } from "./group-owners.ts";
import type { MemberKind, MembersProfile } from "./group-profile.ts";
import type { GroupTruth } from "./group-truth.ts";

/** One of the groups that share a journal. */
export class SimGroup {
  readonly groupId: string;
  readonly profile: MembersProfile;
  readonly truth: GroupTruth;
  readonly owners: GroupOwners;
  readonly #spanMs: number;

  constructor(
    truth: GroupTruth,
    options: { readonly profile: MembersProfile; readonly spanMs: number; readonly problems: string[] },
  ) {
    this.groupId = truth.groupId;
    this.profile = options.profile;
    this.truth = truth;
    this.owners = new GroupOwners(truth, options.problems);
    this.#spanMs = options.spanMs;
  }

  get isSimple(): boolean {
    return this.profile.kinds.includes("simple");
  }

  /** What whoever starts now is. */
  kindAt(elapsedMs: number): MemberKind {
    const { kinds } = this.profile;
    const turn = Math.floor((elapsedMs * kinds.length) / this.#spanMs);
    return kinds[Math.min(turn, kinds.length - 1)] ?? "eager";
  }

  isQuietAt(elapsedMs: number): boolean {
    const { quietFromMs, quietToMs } = this.profile;
    return elapsedMs >= quietFromMs && elapsedMs < quietToMs;
  }
}
