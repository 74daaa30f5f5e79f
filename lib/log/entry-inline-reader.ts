import { COMMAND_KIND, decodeRecord } from "#lib/journal/command-record.ts";
import { type Journal, type JournalPage, JournalUnavailableError } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable, timeLimit } from "#lib/runtime/deadline.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { LogError } from "#lib/util/errors.ts";
import { INLINE_PAGE_RECORDS_MAX, JOURNAL_CALL_MS_MAX, JOURNAL_PAGE_BYTES_MAX } from "#lib/util/limits.ts";
import type { InlineReader } from "./entry-reader.ts";
import { CorruptEntryError } from "./fetch-assembler.ts";
import { decodeLogCommand } from "./log-command-codec.ts";
import type { TailCache } from "./tail-cache.ts";

export class MissingRecordError extends LogError {
  override readonly name = "MissingRecordError";
  override readonly kind = "conflict";

  constructor(journal: JournalId, seq: JournalSeq) {
    super(`journal ${journal}: record ${seq} is not there, or inlines no batches`);
  }
}

interface PageRead {
  readonly from: JournalSeq;
  /** The inlined bytes by `commandName`. */
  readonly found: Promise<ReadonlyMap<string, Uint8Array>>;
}

/**
 * Inlined batches that the tail cache no longer has. Who reads one such entry reads the next ones too, so a whole page
 * of the journal is read at once, shared by all who ask meanwhile, and left in the tail cache.
 */
export class JournalInlineReader implements InlineReader {
  readonly #journal: Journal;
  readonly #tailCache: TailCache;
  readonly #reads = new Map<JournalId, Set<PageRead>>();
  readonly #clock: Clock;

  constructor(deps: { readonly journal: Journal; readonly tailCache: TailCache; readonly clock: Clock }) {
    this.#journal = deps.journal;
    this.#clock = deps.clock;
    this.#tailCache = deps.tailCache;
  }

  async read(
    journal: JournalId,
    place: { readonly seq: JournalSeq; readonly indexInRecord: number },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const name = commandName(place.seq, place.indexInRecord);
    for (let shared = this.#runningRead(journal, place.seq); shared !== undefined; ) {
      const bytes = (await abortable(shared.found, signal)).get(name);
      if (bytes !== undefined) return bytes;
      if (shared.from === place.seq) throw new MissingRecordError(journal, place.seq);
      // The page ended before our record. One of those who wait for it reads on, the others join.
      shared = this.#runningRead(journal, place.seq);
    }
    const bytes = (await abortable(this.#startRead(journal, place.seq), signal)).get(name);
    if (bytes === undefined) throw new MissingRecordError(journal, place.seq);
    return bytes;
  }

  #runningRead(journal: JournalId, seq: JournalSeq): PageRead | undefined {
    for (const read of this.#reads.get(journal) ?? []) {
      if (read.from <= seq && seq < read.from + INLINE_PAGE_RECORDS_MAX) return read;
    }
    return undefined;
  }

  #startRead(journal: JournalId, from: JournalSeq): PageRead["found"] {
    const reads = this.#reads.get(journal) ?? new Set();
    this.#reads.set(journal, reads);
    const read = { from, found: this.#readPage(journal, from).finally(() => reads.delete(read)) };
    reads.add(read);
    return read.found;
  }

  async #readPage(journal: JournalId, from: JournalSeq): Promise<ReadonlyMap<string, Uint8Array>> {
    const page = await this.#call(journal, from);
    const found = new Map<string, Uint8Array>();
    for (const record of page.records) {
      for (const { indexInRecord, bytes } of inlinedBytes(journal, record)) {
        found.set(commandName(record.seq, indexInRecord), bytes);
        this.#tailCache.addInline(journal, record.seq, indexInRecord, bytes);
      }
    }
    return found;
  }

  /** A shared read goes on when one of those who wait for it gives up, but not for ever. */
  async #call(journal: JournalId, from: JournalSeq): Promise<JournalPage> {
    using limit = timeLimit(this.#clock, JOURNAL_CALL_MS_MAX);
    const options = {
      from,
      recordsMax: INLINE_PAGE_RECORDS_MAX,
      bytesMax: JOURNAL_PAGE_BYTES_MAX,
      // The state has folded the record already; an eventual read might not see it yet.
      consistency: "strong",
    } as const;
    try {
      return await abortable(this.#journal.read(journal, options, limit.signal), limit.signal);
    } catch (error) {
      if (!limit.signal.aborted || error instanceof JournalUnavailableError) throw error;
      throw new JournalUnavailableError("no answer in time", { throttled: false, cause: error });
    }
  }
}

function inlinedBytes(
  journal: JournalId,
  record: { readonly seq: JournalSeq; readonly bytes: Uint8Array },
): readonly { readonly indexInRecord: number; readonly bytes: Uint8Array }[] {
  try {
    const inlined: { readonly indexInRecord: number; readonly bytes: Uint8Array }[] = [];
    for (const [indexInRecord, envelope] of decodeRecord(record.bytes).commands.entries()) {
      if (envelope.kind !== COMMAND_KIND.machine) continue;
      const command = decodeLogCommand(new ByteReader(envelope.body));
      if (command.kind === "append" && command.source.kind === "inline") {
        inlined.push({ indexInRecord, bytes: command.source.bytes });
      }
    }
    return inlined;
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new CorruptEntryError(`journal ${journal}: record ${record.seq} cannot be read: ${cause.message}`, { cause });
  }
}

function commandName(seq: JournalSeq, indexInRecord: number): string {
  return `${seq}:${indexInRecord}`;
}
