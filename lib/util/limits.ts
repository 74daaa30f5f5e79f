import { assert } from "./assert.ts";

// Every limit of the product, with its unit in its name. Relations between them are asserted below.

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** The longest time that Node's timers take; they ring at once if it is longer. */
export const TIMER_MS_MAX = 0x7fff_ffff;
/** A thread saves what it has compiled after so long. */
export const COMPILED_CODE_SAVED_MS = 5_000;

// Journals (docs/ARCHITECTURE.md section 2)
/** Larger records are split between commands; one larger command goes to an object. DynamoDB items end at 400 KB. */
export const JOURNAL_RECORD_BYTES_MAX = 256 * KIB;
export const JOURNAL_PAGE_BYTES_MAX = 1 * MIB;
export const JOURNAL_PAGE_RECORDS_MAX = 1_000;
/** A snapshot is due after this many records, or as many bytes as the last snapshot has, whichever is more. */
export const SNAPSHOT_RECORDS_MIN = 256;
/** So many bytes of records behind the newest pointer are archived, so that whoever opens the journal reads one page. */
export const ARCHIVE_BYTES_MIN = 1 * MIB;
/** An archive's chunk is closed at this size: its records are in memory while it is written. */
export const ARCHIVE_CHUNK_BYTES_MAX = 8 * MIB;
/** Chunks that one pointer may name; then a snapshot is due. */
export const ARCHIVE_CHUNKS_MAX = 128;
/** Chunks that are read ahead of the one that is being folded. */
export const ARCHIVE_CHUNKS_AHEAD = 8;
/** A large command that comes to stand more records behind what its proposer had folded is refused: its object may be gone. */
export const LARGE_COMMAND_RECORDS_MAX = 10_000;
/** A snapshot that this process has read so lately is not read again before a trim. */
export const SNAPSHOT_PROOF_MS_MAX = 6 * 60 * 60 * 1000;
/** Nothing is trimmed before its snapshot is this old by the journal service's clock. */
export const TRIM_DELAY_MS = 24 * 60 * 60 * 1000;
/** A longer time between the last strong read and the append of one process puts even a success in doubt. */
export const APPEND_DOUBT_MS = 60 * 60 * 1000;
/** One call to the journal service is given up after this time, and sent again. */
export const JOURNAL_CALL_MS_MAX = 10_000;
/** A record whose fate stays unclear this long is left to whoever reads the journal next. */
export const PROPOSE_MS_MAX = 30_000;
/** Tries of one read before its callers hear of the failure. */
export const JOURNAL_READ_ATTEMPTS_MAX = 5;
/** Between tries after a throttle or a repeated failure. */
export const JOURNAL_BACK_OFF_MS_MIN = 10;
export const JOURNAL_BACK_OFF_MS_MAX = 1_000;
/** Commands that may wait in one journal's lanes in one process; one more is refused, to be sent again. */
export const QUEUED_COMMANDS_MAX = 100_000;
/** Buffers that are used again and again are given back when they have grown beyond this. */
export const SCRATCH_BYTES_MAX = 1 * MIB;
/** How long one process waits for another's lock on a shared journal file. */
export const SQLITE_BUSY_MS_MAX = 5_000;

/** Log journals of a new deployment; more of them carry more commits a second, for topics created from then on. */
export const LOG_JOURNALS_DEFAULT = 12;
/** Group journals of a deployment: fixed when it begins, for a group's journal is told from its id and their number. */
export const GROUP_JOURNALS_DEFAULT = 4;
/** How often a gateway tends its journals. */
export const HOUSEKEEPING_PERIOD_MS = 60_000;
/** How often a gateway looks for journals that have got so much that a snapshot may be due. */
export const BUSY_JOURNALS_PERIOD_MS = 5_000;
/** A scheduled worker that keeps finding nothing looks this seldom in the end. */
export const HOUSEKEEPING_PERIOD_MS_MAX = 16 * 60_000;
/** A worker whose runs take as long as its period, or longer, pauses between them for this part of it. */
export const WORKER_PAUSE_DIVISOR = 20;
/** How often the workers of a gateway run; the garbage collector less often while it finds nothing. */
export const COMPACTOR_PERIOD_MS = 5_000;
export const RETENTION_PERIOD_MS = 60_000;
export const CLEANER_PERIOD_MS = 60_000;
export const GARBAGE_PERIOD_MS = 15 * 60_000;
export const GARBAGE_PERIOD_MS_MAX = 60 * 60_000;
/** The same as functions on a schedule look this seldom while they find nothing. */
export const WORKER_SCHEDULE_MS_MAX = 60 * 60_000;
/** A journal that does not move is tended this often nevertheless, for its records come of age. */
export const IDLE_JOURNAL_TENDED_MS = 6 * 60 * 60 * 1000;
/** What a worker asks of one journal in one run is given up after this time, and left for the next one. */
export const JOURNAL_WORK_MS_MAX = 60_000;
/** Partitions of one journal that one run of retention, or of the expiry of producers, changes: they fit in one record. */
export const RETENTION_PARTITIONS_PER_RUN_MAX = 1_000;
/** How often somebody looks for producers that have expired (Kafka's `producer.id.expiration.check.interval.ms`). */
export const PRODUCER_EXPIRY_CHECK_MS = 10 * 60 * 1000;
/** Objects that nobody refers to are left alone for so many hours: a flush may be about to refer to them. */
export const GARBAGE_AGE_HOURS = 3;
/** Keys of one store that one run by schedule looks at; the next run goes on behind them. */
export const GARBAGE_LISTED_KEYS_MAX = 200_000;
/** Objects that one run deletes from one store. */
export const GARBAGE_DELETED_KEYS_MAX = 10_000;
/** A store that was listed to its end rests so long, and up to the second while nothing is found in it. */
export const GARBAGE_REST_MS = 60 * 60 * 1000;
export const GARBAGE_REST_MS_MAX = 4 * 60 * 60 * 1000;
/** A function that has slept longer looks at its journals before it answers. */
export const FUNCTION_VIEW_MS_MAX = 5_000;
/** Flushes up to this size, for each copy that it saves, travel in the journal record where both are paid by the request. */
export const FUNCTION_INLINE_BYTES_PER_COPY = 4 * KIB;
/** A body at a function, and about its largest answer: as base64 and with what is around it, it fits in Lambda's 6 MB. */
export const FUNCTION_BODY_BYTES_MAX = 4.25 * MIB;
/** A function waits so long for copies that its answer did not need, for it may be frozen as soon as it has answered. */
export const FUNCTION_LATE_COPY_MS_MAX = 250;
/** A function writes its figures to its log this often at most. */
export const FUNCTION_METRICS_MS = 60_000;
/** Memory for recently written records in a function, which lives for its calls only. */
export const FUNCTION_TAIL_CACHE_BYTES_MAX = 4 * MIB;

// Write path
/** A flush closes at this size. */
export const FLUSH_BYTES_MAX = 8 * MIB;
/** A flush closes at this many batches, so that its commands stay below a record's size. */
export const FLUSH_BATCHES_MAX = 4_096;
/** Longest spacing between two flushes that may be set. */
export const LINGER_MS_MAX = 10_000;
/** Flushes up to this size are inlined in the journal record unless set otherwise. */
export const APPEND_INLINE_BYTES_MAX = 8 * KIB;
/** The same where journals are a file: a record costs one sync of the disk, an object three and a record. */
export const EMBEDDED_INLINE_BYTES_MAX = 64 * KIB;
/** Largest flush that may be inlined at all: with its facts it must fit in a journal record. */
export const INLINE_BYTES_MAX = 128 * KIB;
/** What may wait for its commit in one process; beyond it connections are no longer read. */
export const PENDING_BYTES_MAX = 128 * MIB;
/** From the closing of a flush to its answers; Kafka's clients give a request up after as long. */
export const FLUSH_TIMEOUT_MS = 30_000;
/** Flushes uploaded at once unless set otherwise; what comes meanwhile waits and makes the next ones larger. */
export const UPLOADS_IN_FLIGHT_MAX = 4;
/** The same where one thread writes to a disk: more would only make the objects smaller. */
export const EMBEDDED_UPLOADS_IN_FLIGHT_MAX = 1;
/** Processes and directories that one machine is asked to be a cluster with. */
export const EMBEDDED_BROKERS_MAX = 32;
export const EMBEDDED_STORES_MAX = 32;
/** A broker of such a cluster that dies is started again after this time. */
export const BROKER_RESTART_MS = 1_000;
/** Commands that work on one data directory at once (`millrace run`, `millrace segments`). */
export const RUNS_AT_ONCE_MAX = 16;
/** A flush that is uploading for longer no longer keeps those for other stores waiting. */
export const UPLOAD_SLOT_MS_MAX = 1_000;
/** Such flushes at once; each keeps up to `FLUSH_BYTES_MAX` in memory. */
export const UPLOADS_STALLED_MAX = 4;
/** Tries to open a topic in a journal, each with a newer view of the cluster journal. */
export const OPEN_ATTEMPTS_MAX = 3;
/** Batches of one producer that a partition remembers for duplicates (Kafka: five). */
export const PRODUCER_BATCHES_KEPT = 5;
/** Failed first batches of producers that are remembered so that later ones do not overtake them, some 200 bytes each. */
export const SEQUENCE_GAPS_MAX = 10_000;
/** Java's default of `delivery.timeout.ms`: a client that has not sent a batch again by then has given it up. */
export const SEQUENCE_GAP_MS_MAX = 120_000;
/** A producer that a partition has not seen for so long keeps its newest batch only. */
export const PRODUCER_IDLE_MS = 5 * 60 * 1000;
/** No producer is forgotten that was seen within this time of its journal's latest append, whatever is set. */
export const PRODUCER_EXPIRY_MS_MIN = 15 * 60 * 1000;

// Records
/** What one compressed batch may grow to when somebody looks into it; a batch itself ends at `REQUEST_BYTES_MAX`. */
export const DECOMPRESSED_BATCH_BYTES_MAX = 128 * MIB;
/** Records of one refused batch that Produce names one by one; clients fail the others with them all the same. */
export const RECORD_ERRORS_MAX = 1_000;

// Read path
export const TAIL_CACHE_BYTES_MAX = 48 * MIB;
/** Memory that objects are written from; more of it if the tail cache is larger, for it is the same memory. */
export const SEGMENT_MEMORY_BYTES_MIN = 16 * MIB;
/** Memory for reads comes in multiples of it, so that what one read leaves fits the next. */
export const READ_MEMORY_STEP_BYTES = 256 * KIB;
/** Memory kept for reads to come. */
export const READ_MEMORY_FREE_BYTES_MAX = 32 * MIB;
export const BLOCK_CACHE_BYTES_MAX = 64 * MIB;
export const BLOCK_BYTES = 1 * MIB;
/** Bytes that all fetches together may be reading from stores and journals; further ones wait. */
export const READ_BYTES_IN_FLIGHT_MAX = 256 * MIB;
/** Entries that one fetch reads from one partition: many tiny flushes do not become as many reads at once. */
export const FETCH_RANGES_MAX = 256;
/** Fetched batches up to this size are copied and patched; of larger ones only the header is. */
export const PATCH_COPY_BYTES_MAX = 2 * KIB;
/** Records that one journal page brings when inlined batches are read again. */
export const INLINE_PAGE_RECORDS_MAX = 64;
/** Adjacent missing blocks are joined to one read up to this size; the block cache evicts what was read together. */
export const BLOCK_RUN_BYTES_MAX = 4 * MIB;
/** Objects up to this size are read whole: a second request would cost more than the bytes. */
export const WHOLE_OBJECT_BYTES_MAX = 2 * MIB;
/** A fetch from a log segment reads so much at least, for its first batch comes whole; more only of blocks that it needs anyway. */
export const FIRST_BATCH_BYTES = 64 * KIB;
/** How far ahead of a sequential reader blocks are loaded. */
export const READ_AHEAD_BYTES = 4 * MIB;
/** Objects whose readers are remembered, to know a sequential one and to pass over a bad copy. */
export const READ_OBJECTS_REMEMBERED_MAX = 4_096;
/** Read-ahead of all readers that is under way at once. */
export const READ_AHEAD_PENDING_BYTES_MAX = 16 * MIB;

// Our own Kafka client
/** One request is given up after this time, with its connection. Kafka's clients: 30 s. */
export const CLIENT_REQUEST_MS_MAX = 30_000;
/** Connections of a client over HTTPS; a request waits when all are busy. */
export const HTTPS_CLIENT_SOCKETS_MAX = 8;
/** What a client keeps of an answer that is an error. */
export const HTTP_ERROR_TEXT_BYTES_MAX = 16 * KIB;
/** Between two tries after a retriable error: at least, and at most. */
export const CLIENT_BACK_OFF_MS_MIN = 20;
export const CLIENT_BACK_OFF_MS_MAX = 1_000;
/** Records of one batch before compression; with its overhead it stays below Kafka's default of `message.max.bytes`. */
export const CLIENT_BATCH_BYTES_MAX = 512 * KIB;
/** Records that a producer holds; beyond it whoever brings more waits. */
export const CLIENT_BUFFER_BYTES_MAX = 16 * MIB;
/** Of one fetch, and of one partition in it; single larger batches come nevertheless. */
export const CLIENT_FETCH_BYTES_MAX = 16 * MIB;
export const CLIENT_FETCH_PARTITION_BYTES_MAX = 4 * MIB;
/** How long a broker may wait for records to come. */
export const CLIENT_FETCH_WAIT_MS = 500;
/** How long a group's coordinator is waited for, whose topic Kafka makes when it is first asked, and a new leader. */
export const CLIENT_COORDINATOR_MS_MAX = 15_000;
/** Partitions whose first unread records are looked up at once. */
export const CLIENT_LOOK_UPS_AT_ONCE_MAX = 16;
/** Batches passed over in search of a record: markers of transactions, and what compaction has emptied. */
export const CLIENT_EMPTY_BATCHES_MAX = 64;

// Doctor
/** Objects that `millrace doctor` keeps for the next journal that names them. */
export const DOCTOR_CACHE_BYTES_MAX = 64 * MIB;
/** Objects of others in a store that are named one by one; all are counted. */
export const STRANGERS_TOLD_MAX = 100;

// Stores
/** S3 allows 1,024 bytes; the directory adapter puts a root before it. */
export const OBJECT_KEY_BYTES_MAX = 768;
/** File systems end names here; the longest topic name with its highest partition has as many. */
export const OBJECT_KEY_SEGMENT_BYTES_MAX = 255;
/** A log segment's indexes get an entry after more than so many bytes of its log (Kafka: `index.interval.bytes`). */
export const INDEX_INTERVAL_BYTES = 4 * KIB;
/** What verification names of one file; a damaged one may have as many faults as batches. */
export const SEGMENT_PROBLEMS_MAX = 100;
/** Times that one upload to one store is tried when the store gives no answer. */
export const STORE_PUT_ATTEMPTS_MAX = 3;
/** Between two tries of one upload: at least, and at most. */
export const STORE_PUT_RETRY_MS_MIN = 20;
export const STORE_PUT_RETRY_MS_MAX = 400;
/** Uploads that go on after their flush has its copies; beyond it the slowest stores are left to the replicator. */
export const STORE_BACKGROUND_BYTES_MAX = 64 * MIB;
/** A store that is this late with a copy is left to the replicator. */
export const STORE_BACKGROUND_MS_MAX = 30_000;
/** A snapshot or a large command that is not uploaded by then, time for its bytes added, is given up. */
export const STORE_PUT_MS_MAX = 30_000;
/** A store that has not answered a read by then is passed over for the next one. */
export const STORE_READ_MS_MAX = 10_000;
/**
 * Reads of one directory store that may be under way: one that hangs keeps a thread for each. bin/millrace.ts has threads
 * for several such stores.
 */
export const STORE_READS_AT_ONCE_MAX = 8;
/** A process that starts asks the next store as well when one has not answered for so long. */
export const STORE_SILENCE_MS = 1_000;
/** A known store that has not shown its marker by then is left to prove itself when it is used. */
export const STORE_PROOF_MS_MAX = 2_000;
/** A store is suspect when so many calls in a row have failed, or when it has failed, or was silent, for so long. */
export const STORE_SUSPECT_FAILURES = 3;
export const STORE_SUSPECT_MS = 3_000;
/** One upload or probe at a time tries a suspect store nevertheless, this often at most. */
export const STORE_TRIAL_SPACING_MS = 1_000;
/** A store that has refused a write is not trusted for what it lets us read, until nothing was written to it for so long. */
export const STORE_WRITE_DOUBT_MS = 5_000;
/** What is being written when a broker stops gets this long. */
export const STORE_CLOSE_MS_MAX = 5_000;
/** Files that a directory store keeps open for reading. */
export const STORE_OPEN_FILES_MAX = 256;
/** Files from this size on are written past the page cache. */
export const DIRECT_WRITE_BYTES_MIN = 64 * KIB;
/** The same where the bytes have to be copied for it. What is smaller is worth its place in the cache: snapshots are read soon. */
export const DIRECT_COPY_BYTES_MIN = 4 * MIB;
/** What is copied at a time then. */
export const DIRECT_PIECE_BYTES = 1 * MIB;
/** What is copied for the thread that writes files in one turn of the event loop. */
export const PUBLISH_PIECE_BYTES = 2 * MIB;
/** The same for reads of a range. */
export const DIRECT_READ_BYTES_MIN = 64 * KIB;
/** What is read again before so much else has been read goes through the page cache: several read the same. */
export const CACHED_AGAIN_BYTES_MAX = 1024 * MIB;
/** A disk that gives less is read by way of the page cache; one in so many first reads is not, to see whether it still does. */
export const DIRECT_BYTES_PER_MS_MIN = 300_000;
export const DIRECT_PROBE_EVERY = 16;
/** By the best of so many reads. */
export const DIRECT_PACE_READS = 16;
/** Memory and positions of such reads and writes begin at multiples of it: the page size of nearly all devices. */
export const MEMORY_PAGE_BYTES = 4 * KIB;

// Compaction (lib/housekeeping/compactor)
/** A log segment ends at this size, or at the topic's `segment.bytes` if that is less; a single entry may be larger. */
export const SEGMENT_BYTES_MAX = 128 * MIB;
/** Entries of a partition that become a segment once they hold `COMPACTION_BYTES_MIN`, whatever their age. */
export const COMPACTION_ENTRIES_MIN = 512;
export const COMPACTION_BYTES_MIN = 8 * MIB;
/** Entries of a journal, some 500 bytes each in every process that follows it; with more of them fewer in a row are gathered. */
export const JOURNAL_ENTRIES_MAX = 65_536;
/** So many small ones of a partition are not gathered however many partitions there are: each would be rewritten too often. */
export const GATHERED_CRUMBS_MIN = 8;
/** Younger entries are left to tail readers: the tail cache has them under the name of their write-ahead object. */
export const COMPACTION_ENTRY_AGE_MS_MIN = 10_000;
/** An entry that is stamped so far in the future has its time from a clock that was put right since. */
export const CLOCK_AHEAD_MS_MAX = 5 * 60 * 1000;
/** The oldest entry of a partition becomes a segment at this age, or at the topic's `segment.ms` if that is less. */
export const COMPACTION_AGE_MS_MAX = 24 * 60 * 60 * 1000;
/** A smaller `segment.ms` or `max.compaction.lag.ms` counts as this: each segment is three files and a command. */
export const COMPACTION_AGE_MS_MIN = 60 * 1000;
/** Entries and segments that one command may name as its inputs, so that it fits in a journal record. */
export const COMPACTION_INPUTS_MAX = 2_048;
/** The same for segments, whose names are longer. */
export const MERGED_INPUTS_MAX = 512;
/** Bytes that a worker is reading at once. */
export const COMPACTION_READ_BYTES_MAX = 16 * MIB;
/** The same in objects and records. */
export const COMPACTION_READS_AT_ONCE_MAX = 16;
/** Inlined batches that workers keep of pages of a journal: what they read of one page they read soon after one another. */
export const COMPACTION_INLINE_BYTES_MAX = 4 * MIB;
/** Segments that are read for together, and uploaded so many at once. */
export const COMPACTION_SEGMENTS_TOGETHER_MAX = 256;
export const COMPACTION_UPLOADS_AT_ONCE_MAX = 8;
/** Entries that the compactor looks at in one turn of the event loop. */
export const COMPACTION_LOOKS_PER_TURN = 10_000;
/** A store makes a segment by itself of entries that have so many bytes on average; smaller ones are read together. */
export const COMPOSED_RUN_BYTES_MIN = 16 * KIB;
/** And none has more than so many: whoever makes it reads so much at a time. */
export const COMPOSED_RUN_BYTES_MAX = 16 * MIB;
/** What lies in journals between the entries of such a segment is sent to the store, if it is not more than so much. */
export const COMPOSED_GIVEN_BYTES_MAX = 1 * MIB;
/** Segments that are left to stores at once: those of partitions that were written side by side lie in the same objects. */
export const COMPOSED_TOGETHER_MAX = 8;
/** Times that one run asks stores for segments of all journals. */
export const COMPOSED_ROUNDS_MAX = 4;
/** Commands of one journal in one run. */
export const COMPACTION_ROUNDS_MAX = 64;
/** So many small segments of a partition, one after another, become one. */
export const MERGED_SEGMENTS_MIN = 8;
/** Inlined entries of this age are gathered in an object, with all others of their journal. */
export const GATHERED_INLINE_AGE_MS = 40 * 60 * 1000;
/** What is left of an object of this age is gathered when its journal needs less than half of it. */
export const GATHERED_OBJECT_AGE_MS = 60 * 60 * 1000;
/** Entries that become one by being gathered are not further apart: retention and compaction go by the newest record. */
export const GATHERED_SPAN_MS_MAX = 60 * 60 * 1000;
/** A journal is looked through for what is to be gathered so often: each of its entries, and all in one turn of the event loop. */
export const GATHER_PERIOD_MS = 60 * 1000;
/** An object of gathered entries is closed at this size. */
export const GATHERED_BYTES_MAX = 8 * MIB;
/** A worker passes over a partition that it cannot read for so long at first, and longer each time. */
export const WORKER_RETRY_MS_MIN = 60_000;
export const WORKER_RETRY_MS_MAX = 60 * 60_000;
/** Keys that the cleaner knows at once, in 96 MiB at most: dirty segments with more are cleaned part by part. */
export const CLEANER_KEYS_MAX = 3_000_000;
/** Dirty bytes that one pass of the cleaner reads for their keys: a function of five minutes reads them in one of these. */
export const CLEANER_DIRTY_BYTES_MAX = 8 * 1024 * MIB;
/** After so many bytes cleaned a pass says how far it has come, so that whoever cuts it short costs no more than that. */
export const CLEANER_CHECKPOINT_BYTES = 512 * MIB;
/** Records that the cleaner looks at before it lets requests in between: some milliseconds. */
export const CLEANER_RECORDS_PER_TURN = 1_000;
/** The cleaner reads segments in steps of it. */
export const CLEANER_READ_BYTES = 4 * MIB;
/** How long a worker waits for copies beyond those that it needs; the replicator brings them then. */
export const WORKER_LATE_COPY_MS_MAX = 10_000;
/** A worker that nobody tells of other processes' commits looks at its journals when it has not for so long. */
export const WORKER_VIEW_MS_MAX = 60_000;

// Replication
/** How often a broker looks at what is owed to stores, in its own memory; no request is made while nothing is. */
export const REPLICATION_TICK_MS = 1_000;
/** A store that has been suspect for so long leaves the ISR. */
export const ISR_SUSPECT_MS_MAX = 3_000;
/** A change of the ISR that is not committed by then is decided anew. */
export const ISR_CHANGE_MS_MAX = 10_000;
/** A copy that its commit did not name is brought by the replicator if it has not come by then. */
export const LATE_COPY_MS_MAX = 10_000;
/**
 * Younger copies that a commit does not name are looked for by a process on a schedule; it comes often enough to have seen
 * to older ones. At rest nothing is listed.
 */
export const COPIES_IN_DOUBT_MS = 24 * 3_600_000;
/** What a store has lost for journals that other brokers lead is brought by whoever noticed, if they have not by then. */
export const OTHERS_COPY_MS = 30_000;
/** What the replicator of one process reads of all stores together, a second. */
export const REPLICATION_BYTES_PER_SECOND_MAX = 64 * MIB;
/** Objects that it holds in memory at once, in bytes; a single larger one comes alone. */
export const REPLICATION_BYTES_IN_FLIGHT_MAX = 32 * MIB;
/** Copies on their way to one store at once. */
export const REPLICATION_COPIES_AT_ONCE_MAX = 4;
/** Owed copies that are remembered for one store, some 300 bytes each; beyond it the store is listed again. */
export const OWED_COPIES_MAX = 20_000;
/** Copies that came after their commit was proposed and before it was folded. */
export const EARLY_COPIES_REMEMBERED_MAX = 4_096;
/** A copy for which no source answers is tried again after this time. */
export const OWED_COPY_RETRY_MS = 10_000;
/** Readers that find copies missing have their store listed this often at most. */
export const RELIST_SPACING_MS = 60_000;
/** An entry may be folded so long after it was proposed, and clocks may differ by as much. */
export const RELIST_MARGIN_MS = 60_000;
/** Spacing of the log's lines about copying that takes long. */
export const REPLICATION_PROGRESS_MS = 10_000;

/** Objects whose copies are looked for at once when an operator gives lost records up. */
export const COPY_LOOKS_AT_ONCE_MAX = 64;

/** How often a journal is looked at for other processes' commits while a fetch waits for one. */
export const JOURNAL_POLL_MS = 100;

// AWS
/** One request to DynamoDB is given up after this time; 99 in 100 take 15 ms. */
export const DYNAMODB_CALL_MS_MAX = 3_000;
/** Items of one BatchWriteItem: DynamoDB's own limit. */
export const DYNAMODB_BATCH_ITEMS_MAX = 25;
/** Such requests of one trim at once, and how often what is left of one is sent again. */
export const DYNAMODB_BATCHES_AT_ONCE_MAX = 4;
export const DYNAMODB_BATCH_ATTEMPTS_MAX = 6;
/** One request to S3 is given up after this time, with a second added for each MiB; 99 in 100 take 0.2 s. */
export const S3_CALL_MS_MAX = 5_000;
/** Tries of one read, listing or deletion that S3 refuses for now. */
export const S3_ATTEMPTS_MAX = 3;
/** Tries of one put that meets another one of the same key under way. */
export const S3_CONFLICT_ATTEMPTS_MAX = 8;
/** Between two such tries: at least, and at most. */
export const S3_RETRY_MS_MIN = 20;
export const S3_RETRY_MS_MAX = 400;
/** Keys of one DeleteObjects or ListObjectsV2: S3's own limit. */
export const S3_KEYS_PER_REQUEST_MAX = 1_000;
/** S3's keys end at 1,024 bytes: what may stand before ours in a bucket. */
export const S3_PREFIX_BYTES_MAX = 1_024 - OBJECT_KEY_BYTES_MAX;
/** An address that does not take a connection by then is given up. */
export const AWS_CONNECT_MS_MAX = 2_500;
/** Connections of one client; requests beyond it wait. */
export const AWS_SOCKETS_MAX = 512;
/** How often a journal in DynamoDB is looked at for other processes' commits while a fetch waits for one. */
export const DYNAMODB_POLL_MS = 250;
/** Spacing of flushes in a gateway on S3 Standard and on directory buckets: a busy one makes so many objects a second. */
export const S3_LINGER_MS = 250;
export const S3_EXPRESS_LINGER_MS = 20;

// Kafka door
/** Kafka's default of `fetch.max.bytes` for brokers. */
export const FETCH_BYTES_MAX = 55 * MIB;
/** A connection that we have ended waits so long for the client to end it as well. */
export const CLOSE_LINGER_MS = 1_000;
/** Longest wait of a stopping broker for requests under way. */
export const DRAIN_MS_MAX = 600_000;
/** The same in a test's process, for its doors and again for its log: nobody waits longer for a test to end. */
export const TEST_BROKER_DRAIN_MS = 500;
/** Kafka's default of `socket.request.max.bytes`. */
export const REQUEST_BYTES_MAX = 100 * MIB;
/** Array elements in one message, all arrays together: tiny elements take many times their bytes on the heap. */
export const MESSAGE_ELEMENTS_MAX = 1_000_000;
/** Records up to this size are copied into the running buffer of a response; one more chunk would cost more. */
export const COPY_BYTES_MAX = 512;
/** Kafka's default of `message.max.bytes`: 1 MiB and the overhead of a batch. */
export const MESSAGE_BYTES_MAX = 1 * MIB + 12;
/** Bytes of requests received and not yet answered, over all connections; beyond it only one connection is read at a time. */
export const RECEIVED_BYTES_MAX = 256 * MIB;
/** What one read takes from a socket at most. */
export const SOCKET_READ_BYTES_MAX = 256 * KIB;
/** Produce requests larger than this lie in memory that is used again. */
export const FRAME_START_BYTES = 64 * KIB;
/** A block of memory that large Produce requests lie in: the usual `max.request.size` of clients, with room for a header. */
export const FRAME_BLOCK_BYTES = 1 * MIB + 64 * KIB;
/** Such blocks; larger and further requests are given memory of their own. */
export const FRAME_BLOCKS_MAX = 32;
/** Complete requests that one connection may have waiting; beyond it its socket is not read. */
export const QUEUED_FRAMES_MAX = 64;
/** The same in bytes; one frame may be larger. */
export const QUEUED_FRAMES_BYTES_MAX = 16 * MIB;
/** Requests of one connection that may run at once (Produce and OffsetCommit overlap). */
export const OVERLAPPING_REQUESTS_MAX = 64;
/** Whatever a client says, a produce gets this long: on Kafka a time limit of 0 is enough where one replica is. */
export const PRODUCE_REQUEST_MS_MIN = 5_000;
/** A broker refuses what another one leads by a look at the journals that is no older than this. */
export const LEADER_LOOK_MS_MIN = 250;
/** An answer waits this long for a look at who leads, and then says what is known. */
export const LEADER_LOOK_MS_MAX = 1_000;
/** Kafka's default of `max.incremental.fetch.session.cache.slots`. */
export const FETCH_SESSIONS_MAX = 1_000;
/** A session unused for this long may give way to a new one (Kafka: 2 minutes). */
export const FETCH_SESSION_IDLE_MS_MIN = 120_000;
/** A larger fetch is served without a session. */
export const FETCH_SESSION_PARTITIONS_MAX = 100_000;
/** Of all sessions of a process, some 300 bytes each. */
export const FETCH_SESSIONS_PARTITIONS_MAX = 1_000_000;

// HTTP door
/** A JSON body, and about the largest answer: what AWS Lambda hands over. */
export const HTTP_BODY_BYTES_MAX = 6 * MIB;
/** The same for record batches in Kafka's own form, which Lambda is handed as base64. */
export const HTTP_BINARY_BYTES_MAX = 4.5 * MIB;
/** Bodies that are being read and parsed, all requests together; JSON takes some ten times its bytes while it is parsed. */
export const HTTP_BODIES_BYTES_MAX = 32 * MIB;
/** Bodies up to this size, by their declared length, are counted by themselves. */
export const HTTP_SMALL_BODY_BYTES_MAX = 64 * KIB;
export const HTTP_SMALL_BODIES_BYTES_MAX = 16 * MIB;
/** Whatever a request waits for, it is answered by then. */
export const HTTP_REQUEST_MS_MAX = 60_000;
/** The longest wait for records that a client may ask for; HTTP APIs of AWS end requests after 30 s. */
export const HTTP_WAIT_MS_MAX = 28_000;
/** Of one fetch over HTTP unless the client says something else. */
export const HTTP_FETCH_BYTES = 1 * MIB;
/** Of one step of an event stream; a single larger batch comes nevertheless. */
export const HTTP_STREAM_BYTES = 64 * KIB;
/** Spacing of the signs of life in an event stream that has nothing to say. */
export const HTTP_HEARTBEAT_MS = 15_000;
/** Event streams of one process at once. */
export const HTTP_STREAMS_MAX = 1_000;
/** Records of one produce request. */
export const HTTP_RECORDS_MAX = 100_000;
/** The same in v3, whose answer for each record may be longer than the record: together they fit in a function's answer. */
export const HTTP_V3_RECORDS_MAX = 10_000;
/** Streams of records of one process at once. */
export const HTTP_PRODUCE_STREAMS_MAX = 200;
/** Of one such stream: records that are being written, the bytes read ahead meanwhile, and the largest record as JSON. */
export const HTTP_STREAMED_RECORDS_MAX = 1_000;
export const HTTP_STREAMED_BYTES = 1 * MIB;
export const HTTP_STREAMED_RECORD_BYTES_MAX = 2 * MIB;
/** What one compressed batch may grow to when its records are shown as JSON; as batches it is handed out whatever it holds. */
export const HTTP_DECOMPRESSED_BATCH_BYTES_MAX = 64 * MIB;
/** A connection that is not used is kept this long: longer than the load balancers before it keep theirs. */
export const HTTP_KEEP_ALIVE_MS = 65_000;
/** By then a connection has sent the headers of its first request, and of each one that it begins. */
export const HTTP_HEADERS_MS_MAX = 30_000;
/** A connection on which nothing moves, in either direction, is cut: streams give signs of life, requests are over by then. */
export const HTTP_IDLE_MS_MAX = 120_000;

// Cluster. The fold of the cluster journal enforces the first nine: another number is another outcome, hence a new
// feature level (docs/ARCHITECTURE.md J4).
/** About five times what Kafka's documentation calls practical for a cluster; a topic takes some 300 bytes of memory. */
export const TOPICS_MAX = 100_000;
/** Of one topic: a Metadata answer that shows it whole has about 5 MB. Kafka has no limit. */
export const PARTITIONS_PER_TOPIC_MAX = 100_000;
/** Of all topics: what Kafka's KRaft mode is designed for. */
export const PARTITIONS_MAX = 2_000_000;
/** Keys of the HTTPS door: they are part of the cluster's state in every process. */
export const API_KEYS_MAX = 10_000;
export const API_KEY_RIGHTS_MAX = 100;
/** Groups that may have configs of their own, which are part of the cluster's state too. Kafka has no limit. */
export const GROUP_CONFIGS_MAX = 10_000;
/** Broker ids that were ever registered; they stay, as the names of replicas whose store has no broker for now. */
export const BROKERS_MAX = 10_000;
export const BROKER_ENDPOINTS_MAX = 100;
/** One election of the leaders of log journals is given up after this time, and tried again. */
export const ELECTION_MS_MAX = 5_000;
/** Characters of one config value, as in Kafka (Short.MAX_VALUE). */
export const CONFIG_VALUE_LENGTH_MAX = 32_767;
/** UTF-8 bytes of all keys and values in one alteration, so that its command fits in a journal record. */
export const CONFIG_ALTERATION_BYTES_MAX = 128 * KIB;
/** New partitions that one request may ask for, as in Kafka. */
export const PARTITIONS_PER_REQUEST_MAX = 10_000;
/** Producer ids that a process takes from the cluster journal at once, as in Kafka. */
export const PRODUCER_IDS_PER_BLOCK = 1_000;
export const PRODUCER_IDS_PER_BLOCK_MAX = 1_000_000;
/** Characters of a key's name, and of a pattern in one of its rights (a topic's longest name and an asterisk). */
export const API_KEY_NAME_LENGTH_MAX = 100;
export const API_KEY_PATTERN_LENGTH_MAX = 250;
/** The highest limit that a key may have; more is none. */
export const API_KEY_REQUESTS_PER_SECOND_MAX = 1_000_000;
/** Spacing of the strong reads that look for a key nobody knows here, so that guessing costs no journal. */
export const API_KEY_LOOKUP_SPACING_MS = 1_000;
/** What a process knows of keys is at most so old when it lets one in. */
export const API_KEY_VIEW_MS_MAX = 5_000;
/** Log journals that one deletion or one change of settings writes to at the same time. */
export const TOPIC_EFFECTS_AT_ONCE_MAX = 32;
/** Topics or resources of one administrative request that are worked on at the same time. */
export const ADMIN_ITEMS_AT_ONCE_MAX = 256;
/** Whatever a client says, an administrative request gets this long: older ones send 0 and expect it to work. */
export const ADMIN_REQUEST_MS_MIN = 5_000;

// Groups
/** How long a classic member that is new, and so does not know its id yet, may wait in JoinGroup. As in Kafka. */
export const NEW_MEMBER_JOIN_MS_MAX = 5 * 60 * 1000;
/**
 * Ids that a group has given out to classic clients that have not joined with them yet. The fold enforces it: another
 * number is another outcome, hence a new feature level.
 */
export const PENDING_MEMBERS_MAX = 10_000;
/** Ids that one process has given out to them and not journaled yet. */
export const GIVEN_MEMBER_IDS_MAX = 1_000;
/** What the names of client, group and protocols may be long for that, all together. */
export const GIVEN_MEMBER_NAMES_LENGTH_MAX = 4_096;
/** For how long it waits for a client to join with its new id before it journals that the id is given out. */
export const GIVEN_MEMBER_ID_MS = 250;
/** For how long the SyncGroups of a generation that stands wait for others, to be journaled together. */
export const SYNC_GATHER_MS = 20;
/**
 * What one member may tell of itself: a classic one the names and metadata of its protocols, another one the topics that it
 * subscribes to. Kafka keeps a whole group in one batch of at most that many bytes, and answers UNKNOWN_SERVER_ERROR beyond.
 */
export const GROUP_MEMBER_BYTES_MAX = 1 * MIB;
/** What a leader may assign to all members together. */
export const GROUP_ASSIGNMENTS_BYTES_MAX = 16 * MIB;
/** Metadata of all offsets of one commit. */
export const GROUP_COMMIT_METADATA_BYTES_MAX = 8 * MIB;
/** Characters of a regular expression that consumers subscribe with; some 30 names of the longest kind. Kafka has no limit. */
export const TOPIC_REGEX_LENGTH_MAX = 8_192;
/** The same once its counted repetitions are written out: what it takes to compile and to match grows with it. */
export const TOPIC_REGEX_COST_MAX = 20_000;
/** Regular expressions that a process keeps compiled, with the topics that each one matched last. */
export const TOPIC_REGEXES_CACHED_MAX = 1_000;
/** How long after an expiry that was in vain it is tried again. */
export const EXPIRY_RETRY_MS = 1_000;
/** Committed offsets that one command forgets because their retention is over. */
export const EXPIRED_OFFSETS_PER_COMMAND_MAX = 1_000;
/** How long a group request may take that waits for the journals alone, never for other members. */
export const GROUP_REQUEST_MS_MAX = 5_000;
/** How often a process that serves consumer groups looks for topics that others have changed, at most. */
export const GROUP_TOPICS_SPACING_MS = 5_000;
/** Consumer instances of one group journal. */
export const GROUP_INSTANCES_MAX = 10_000;
/** How long a consumer instance stays without a call, as the REST Proxy's `consumer.instance.timeout.ms`. */
export const INSTANCE_TIMEOUT_MS = 300_000;
/** Names of consumer instances, in characters. */
export const INSTANCE_ID_LENGTH_MAX = 249;
/** Partitions that one request about a consumer instance may name. */
export const INSTANCE_PARTITIONS_MAX = 10_000;
/** Times that one poll of a consumer instance begins again because others have changed the instance. */
export const INSTANCE_POLL_ATTEMPTS_MAX = 20;
/** Times that it begins again because its group has moved. */
export const INSTANCE_POLL_CHANGES_MAX = 200;
/** Times that a group command is proposed again because what it named as seen has changed. */
export const GROUP_ATTEMPTS_MAX = 5;

assert(HOUSEKEEPING_PERIOD_MS <= HOUSEKEEPING_PERIOD_MS_MAX, "a schedule backs off to a longer period");
assert(S3_KEYS_PER_REQUEST_MAX <= GARBAGE_LISTED_KEYS_MAX, "a run by schedule looks at a page at least");
assert(GARBAGE_REST_MS <= GARBAGE_REST_MS_MAX, "a store backs off to a longer rest");
assert(JOURNAL_RECORD_BYTES_MAX <= JOURNAL_PAGE_BYTES_MAX, "a page holds at least one record");
assert(ARCHIVE_BYTES_MIN <= JOURNAL_PAGE_BYTES_MAX, "what is not archived yet is one page");
assert(ARCHIVE_CHUNKS_MAX * KIB <= JOURNAL_RECORD_BYTES_MAX, "the references to all chunks fit in a pointer's record");
assert(REQUEST_BYTES_MAX <= DECOMPRESSED_BATCH_BYTES_MAX, "an uncompressed batch may be looked into");
assert(FETCH_SESSION_PARTITIONS_MAX <= FETCH_SESSIONS_PARTITIONS_MAX, "the largest session is possible");
assert(FLUSH_BYTES_MAX <= PENDING_BYTES_MAX, "a flush fits in what may wait");
assert(COMPACTION_BYTES_MIN < SEGMENT_BYTES_MAX, "many entries are reason enough for a small segment");
assert(FLUSH_BYTES_MAX <= COMPACTION_READ_BYTES_MAX, "an entry that one flush brought is read at once");
assert(READ_AHEAD_PENDING_BYTES_MAX <= COMPACTION_READ_BYTES_MAX, "what a worker reads ahead stays until it is used");
assert(COMPACTION_INPUTS_MAX * 64 < JOURNAL_RECORD_BYTES_MAX, "a command with all its inputs fits in a journal record");
assert(COMPACTION_ENTRIES_MIN < COMPACTION_INPUTS_MAX, "what is due fits in a command");
assert(GATHERED_BYTES_MAX <= FLUSH_BYTES_MAX, "what is gathered is no larger than what a flush writes");
assert(
  GATHERED_INLINE_AGE_MS + HOUSEKEEPING_PERIOD_MS_MAX < 60 * 60 * 1000,
  "inlined entries are drained within an hour, also where the compactor comes seldom",
);
assert(OBJECT_KEY_SEGMENT_BYTES_MAX <= OBJECT_KEY_BYTES_MAX, "a segment fits in a key");
assert(BLOCK_BYTES <= BLOCK_RUN_BYTES_MAX, "a run holds at least one block");
assert(WHOLE_OBJECT_BYTES_MAX <= BLOCK_RUN_BYTES_MAX, "a whole object is one run");
assert(2 * READ_AHEAD_PENDING_BYTES_MAX <= BLOCK_CACHE_BYTES_MAX, "read-ahead does not drive out what is being read");
assert(SQLITE_BUSY_MS_MAX < JOURNAL_CALL_MS_MAX, "a locked file is told from a silent one");
assert(DYNAMODB_CALL_MS_MAX < JOURNAL_CALL_MS_MAX, "a silent request is told from a journal given up");
assert(S3_CALL_MS_MAX < STORE_READ_MS_MAX, "a silent request is told from a store given up");
assert(JOURNAL_CALL_MS_MAX <= PROPOSE_MS_MAX, "an unclear append is sent at least once more");
assert(APPEND_DOUBT_MS < TRIM_DELAY_MS, "a sleeper is in doubt long before its number is freed");
assert(CONFIG_ALTERATION_BYTES_MAX < JOURNAL_RECORD_BYTES_MAX, "an alteration of configs fits in a journal record");
assert(CONFIG_VALUE_LENGTH_MAX < CONFIG_ALTERATION_BYTES_MAX, "the longest value fits in an alteration");
assert(PARTITIONS_PER_REQUEST_MAX <= PARTITIONS_PER_TOPIC_MAX, "a request cannot ask for more than a topic may have");
assert(PRODUCER_IDS_PER_BLOCK <= PRODUCER_IDS_PER_BLOCK_MAX, "a block is allowed");
assert((FUNCTION_BODY_BYTES_MAX / 3) * 4 < 5.9 * MIB, "a function's body fits in what Lambda hands over");
assert(HTTP_BODY_BYTES_MAX <= HTTP_BODIES_BYTES_MAX, "the largest body fits in what may be read at once");
assert(HTTP_WAIT_MS_MAX < HTTP_REQUEST_MS_MAX, "the longest wait fits in a request");
assert(HTTP_REQUEST_MS_MAX < HTTP_IDLE_MS_MAX, "a connection lasts as long as its request");
