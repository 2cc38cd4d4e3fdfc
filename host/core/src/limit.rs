//! Every bound in one place: unit, default, maximum and the threat it is for.

mod call;

pub use call::CallLimits;

mod model;

pub use model::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// A day, in milliseconds.
pub const DAY_MS: u64 = 24 * 3_600_000;

/// Largest component file that is read (A20).
pub const COMPONENT_MAX_BYTES: u64 = 64 * MIB;
/// Largest component that is compiled inside the process when no compile worker is named (A20).
pub const COMPILE_IN_PROCESS_MAX_BYTES: u64 = 8 * MIB;
/// Longest compilation before its worker is killed (A20).
pub const COMPILE_DEADLINE_MS: u64 = 120_000;
/// Largest address space of a compile worker (A20); a Python component needs 418 MB.
pub const COMPILE_MEMORY_MAX_BYTES: u64 = 4 << 30;
/// Largest `remit.toml`, `plugin.toml` or `remit.lock` that is read.
pub const FILE_MAX_BYTES: u64 = 4 * MIB;
/// Most plugins and principals that are halted in a project.
pub const HALTS_MAX: usize = 1024;
/// Longest reason for a halt.
pub const HALT_REASON_MAX_BYTES: usize = 200;
/// Largest file that says what is halted.
pub const HALTS_MAX_BYTES: u64 = MIB;
/// How often calls that run are held against what is halted.
pub const HALT_LOOK_MS: u64 = 250;
/// Largest custom section `remit:plugin` that is read.
pub const SECTION_MAX_BYTES: u64 = MIB;
/// Largest arguments of one call, as JSON text (M7).
pub const ARGUMENTS_MAX_BYTES: usize = 8 * MIB as usize;
/// Most single values that the arguments of a plain component make, a byte of a `list<u8>` being one (A8); each takes 40 bytes.
pub const ARGUMENT_VALUES_MAX: usize = 2 << 20;
/// Deepest nesting of arguments (A18). Results are bounded by the parser's own depth of 128.
pub const JSON_MAX_DEPTH: usize = 96;
/// Largest JSON Schema of one tool (M7).
pub const SCHEMA_MAX_BYTES: usize = 256 * KIB as usize;
/// Most tools of one plugin.
pub const TOOLS_MAX: usize = 512;
/// Longest name of a tool inside its plugin; `plugin__tool` stays within MCP clients' 64.
pub const TOOL_NAME_MAX_CHARS: usize = 48;
/// Longest name of a plugin.
pub const PLUGIN_NAME_MAX_CHARS: usize = 32;
/// Bytes of stdout and of stderr that are kept of a call; earlier ones are dropped (A12).
pub const STDIO_RING_BYTES: usize = 64 * KIB as usize;
/// Most denials attached to one result; more are dropped (A12).
pub const DENIALS_MAX: usize = 32;
/// Longest text of a guest that is shown in an error.
pub const GUEST_TEXT_MAX_CHARS: usize = 4096;
/// Host-call fuel of a call: bytes that may be lifted out of a guest (A8).
pub const HOSTCALL_FUEL: usize = 8 * MIB as usize;
/// Resource handles of one call's component instances (A6).
pub const COMPONENT_HANDLES_MAX: u32 = 10_000;
/// Host resources of one call (A7).
pub const RESOURCE_TABLE_MAX: usize = 4096;
/// Core and component instances of one call (A5).
pub const INSTANCES_MAX: usize = 50;
/// Header fields of one HTTP message, in bytes (A9).
pub const HTTP_FIELDS_MAX_BYTES: usize = 32 * KIB as usize;
/// Longest URL of a request (A10).
pub const URL_MAX_BYTES: usize = 8 * KIB as usize;
/// Random bytes of one host call (A11).
pub const RANDOM_MAX_BYTES: u64 = 64 * KIB;
/// Chunk of an outgoing body (A13).
pub const HTTP_CHUNK_BYTES: usize = 64 * KIB as usize;
/// HTTP exchanges of one call that are open at once (R12); each holds a connection.
pub const HTTP_EXCHANGES_MAX: usize = 32;
/// Body of one HTTP message, when a grant says nothing (N10).
pub const HTTP_BODY_DEFAULT_BYTES: u64 = 8 * MIB;
/// Whole HTTP exchange, when a grant says nothing (N9).
pub const HTTP_DEADLINE_DEFAULT_MS: u64 = 30_000;
/// What an `fs` grant may hold when it says nothing: bytes written by one call, files created by one call (F15).
pub const FS_WRITE_DEFAULT_BYTES: u64 = 256 * MIB;
/// See [`FS_WRITE_DEFAULT_BYTES`].
pub const FS_FILES_DEFAULT: u64 = 10_000;
/// Files, folders and listings that one call may hold open (F10).
pub const FS_OPEN_MAX: usize = 256;
/// Bytes that one read of a file returns at most; a guest asks again for more.
pub const FS_READ_MAX_BYTES: u64 = 64 * KIB;
/// Entries of a folder that are read at a time, so that a listing's size is no bound on the host's memory.
pub const FS_ENTRIES_BATCH: usize = 128;
/// Bytes of one plugin's key-value scope, when a grant says nothing.
pub const KV_DEFAULT_BYTES: u64 = 16 * MIB;
/// Most that `max_mib` of an `fs` grant may allow (F15).
pub const FS_WRITE_MAX_BYTES: u64 = 1 << 40;
/// Most that `max_files` of an `fs` grant may allow (F15).
pub const FS_FILES_MAX: u64 = 10_000_000;
/// Bytes of the files of one workspace, when a grant says nothing (F15).
pub const WORKSPACE_DEFAULT_BYTES: u64 = 256 * MIB;
/// Files, folders and links of one workspace, when a grant says nothing (F15).
pub const WORKSPACE_FILES_DEFAULT: u64 = 10_000;
/// Most that `max_mib` of a `workspace` grant may allow (F15).
pub const WORKSPACE_MAX_BYTES: u64 = 4 << 30;
/// Most that `max_files` of a `workspace` grant may allow (F15).
pub const WORKSPACE_FILES_MAX: u64 = 100_000;
/// Largest tree of a workspace, as JSON text: what is captured of one may not be larger, nor what an import brings (F16).
pub const TREE_MAX_BYTES: u64 = 64 * MIB;
/// Longest path in the tree of a workspace (F16).
pub const TREE_PATH_MAX_BYTES: usize = 4096;
/// Longest piece of content: what is kept, read and held in memory at once (R13).
pub const PIECE_MAX_BYTES: usize = MIB as usize;
/// Most content that one session may keep, whichever turn it is of (R13).
pub const SESSION_CONTENT_MAX_BYTES: u64 = 16 << 30;
/// Most content that an import brings along (R13).
pub const IMPORT_CONTENT_MAX_BYTES: u64 = 512 * MIB;
/// Largest result that is kept beside the journal when it is too large for it, as JSON text (A8).
pub const OUTPUT_KEPT_MAX_BYTES: usize = 64 * MIB as usize;
/// What an agent is shown of a result that is kept beside the journal.
pub const OUTPUT_PREVIEW_BYTES: usize = 4 * KIB as usize;
/// Bytes that an agent reads at once of such a result.
pub const OUTPUT_READ_MAX_BYTES: u32 = 256 * KIB as u32;
/// Most that `max_kib` of an `http` grant may allow (N10).
pub const HTTP_BODY_MAX_BYTES: u64 = 1 << 30;
/// Most that `deadline_ms` of an `http` grant may allow (N9).
pub const HTTP_DEADLINE_MAX_MS: u64 = 3_600_000;
/// Most that `max_mib` of a `kv` grant may allow.
pub const KV_MAX_BYTES: u64 = 1 << 30;
/// Most callers above a tool or an agent (M23).
pub const DELEGATION_MAX_DEPTH: usize = 8;
/// Sessions that are made by calls of agents within one turn of the outermost session, however deep (M23).
pub const CALLED_SESSIONS_MAX: u64 = 256;
/// Largest record of a journal, as JSON text.
pub const RECORD_MAX_BYTES: usize = 2 * MIB as usize;
/// Most records of one turn; what goes on for longer begins a new turn.
pub const TURN_RECORDS_MAX: usize = 50_000;
/// Most bytes of one turn's records.
pub const TURN_MAX_BYTES: usize = 64 * MIB as usize;
/// Most bytes of one session's records.
pub const SESSION_MAX_BYTES: u64 = 4 << 30;
/// Records of turns that ended which a store packs together, in bytes, the last one left out; what is damaged makes no more room (R3).
pub const CHUNK_MAX_BYTES: usize = 256 * KIB as usize;
/// Longest key of a session's state.
pub const STATE_KEY_MAX_BYTES: usize = 512;
/// Largest value of a session's state.
pub const STATE_VALUE_MAX_BYTES: usize = 256 * KIB as usize;
/// All keys and values of a session's state together.
pub const STATE_MAX_BYTES: usize = 16 * MIB as usize;
/// Longest key that names an input or a request.
pub const KEY_MAX_BYTES: usize = 256;
/// Longest text that an agent shows a person when it asks something.
pub const QUESTION_MAX_BYTES: usize = 16 * KIB as usize;
/// Largest input of a turn: it is one record of the journal.
pub const TURN_INPUT_MAX_BYTES: usize = MIB as usize;
/// Largest input that a person gives to a waiting session.
pub const INPUT_MAX_BYTES: usize = 256 * KIB as usize;
/// Most inputs that wait for the turn of one session to end.
pub const INPUTS_QUEUED_MAX: u32 = 16;
/// How often at most a plugin is asked what became of a call, when it fails in passing.
pub const SETTLE_TRIES_MAX: u32 = 3;
/// How long an approval may be decided, when the agent says nothing (M18).
pub const APPROVAL_DEFAULT_MS: u64 = 24 * 3_600_000;
/// How long an approval may be decided at most (M18).
pub const APPROVAL_MAX_MS: u64 = 30 * 24 * 3_600_000;
/// Approvals of one principal in a project that wait for an answer at once; further ones are refused, so that no person is flooded (M18).
pub const APPROVALS_OPEN_MAX: u64 = 64;
/// Most words of the command of an outside server.
pub const COMMAND_WORDS_MAX: usize = 64;
/// Longest word of such a command, and longest value of a variable that it is given.
pub const COMMAND_WORD_MAX_BYTES: usize = 4 * KIB as usize;
/// Largest executable of an outside server, and largest file of the project that its command names; both are hashed whole.
pub const COMMAND_FILE_MAX_BYTES: u64 = 512 * MIB;
/// What an outside server may say in one message: this, or twice what a result of its plugin may have where that is more (M7).
pub const OUTSIDE_MESSAGE_BYTES: usize = 8 * MIB as usize;
/// How long an outside server may take to say who it is and to list its tools.
pub const OUTSIDE_START_MS: u64 = 30_000;
/// How long the connection to an outside server behind a URL may take, its name and TLS included.
pub const OUTSIDE_CONNECT_MS: u64 = 10_000;
/// Requests to an outside server behind a URL that are on their way at once; others wait (M7).
pub const OUTSIDE_REQUESTS_MAX: usize = 64;
/// How long the tools that a server behind a URL listed are taken for true: nothing tells of a change there (M1).
pub const OUTSIDE_LIST_MS: u64 = 60_000;
/// Refusals of what an outside server asked for that wait for it; what it asks meanwhile is passed over (M7).
pub const OUTSIDE_REFUSALS_MAX: usize = 64;
/// How long an outside server runs on, or a session with it stays open, without a call.
pub const OUTSIDE_IDLE_MS: u64 = 300_000;
/// First pause before an outside server that failed is started again; it doubles with each failure.
pub const OUTSIDE_PAUSE_MS: u64 = 250;
/// Longest such pause.
pub const OUTSIDE_PAUSE_MAX_MS: u64 = 30_000;
/// Calls of one group that run at once.
pub const GROUP_MAX: usize = 64;
/// Most days that `[retention]` keeps something; what is to be kept for longer is not pruned.
pub const RETENTION_MAX_DAYS: u32 = 36_500;
/// Largest arguments of a plain call that belongs to a session: a record holds them, however they are escaped there (M7).
pub const SESSION_ARGUMENTS_MAX_BYTES: usize = RECORD_MAX_BYTES / 2 - 4096;
/// Plain calls of one session that wait for an approval at once; further ones are refused, so that no person is flooded (M14).
pub const SERIES_WAITS_MAX: usize = 16;
/// Plain calls that one turn of a session without an agent takes while others of it run; then they have to end first (M14).
pub const SERIES_CALLS_MAX: u32 = 16_384;
/// See [`SERIES_CALLS_MAX`]: bytes of its records.
pub const SERIES_MAX_BYTES: usize = 32 * MIB as usize;
/// How long plain calls that only read may be ahead of their records.
pub const SERIES_LAG_MS: u64 = 100;
/// How long a session without an agent stays claimed by the process that made its last call.
pub const SERIES_REST_MS: u64 = 1_000;
/// How long a plain call waits for a session that another process has.
pub const SERIES_CLAIM_MS: u64 = 10_000;
/// Longest name of a tool at the MCP door: `plugin__tool`. Some clients put a prefix of their own before it and stop at 64.
pub const MCP_NAME_MAX_CHARS: usize = 48;
/// Largest message to the MCP door: a line, or a body over HTTP (M14). The largest arguments fit in.
pub const MCP_MESSAGE_MAX_BYTES: usize = ARGUMENTS_MAX_BYTES + 64 * KIB as usize;
/// Calls of the MCP door in flight, all its clients together; further ones are refused (M14).
pub const MCP_CALLS_MAX: usize = 1024;
/// Calls of the MCP door that run at once; others of [`MCP_CALLS_MAX`] wait their turn.
pub const MCP_POOL_CALLS: u32 = 64;
/// Answers that wait for a client to read them; beyond that nothing more is read of it (M14).
pub const MCP_UNREAD_MAX: usize = 256;
/// See [`MCP_UNREAD_MAX`].
pub const MCP_UNREAD_MAX_BYTES: usize = 16 * MIB as usize;
/// Words of one running call that wait for a client to read them; further ones are dropped (A12).
pub const MCP_EVENTS_MAX: usize = 64;
/// How long the answer to a call waits for its last words to be told, in milliseconds (M14).
pub const MCP_LAST_WORDS_MS: u64 = 250;
/// Most tools that a project lists at the MCP door before it offers a search in their place, unless it says otherwise: providers of models
/// and clients take 128 of all servers together, and a model reads each definition in each turn.
pub const MCP_LISTED_TOOLS: usize = 64;
/// Tools that one search finds, when the client does not say how many.
pub const MCP_FOUND_DEFAULT: usize = 5;
/// Tools that one search finds at most.
pub const MCP_FOUND_MAX: usize = 20;
/// Bytes of the definitions that one search gives, but for the one that goes beyond (M7).
pub const MCP_FOUND_BYTES: usize = 256 * KIB as usize;
/// Longest text that tools are searched by; of its words, so many count (M14).
pub const MCP_QUERY_MAX_BYTES: usize = KIB as usize;
/// See [`MCP_QUERY_MAX_BYTES`].
pub const MCP_QUERY_WORDS: usize = 32;
/// Words of a definition that a search looks at; further ones do not count (M7).
pub const MCP_SEARCHED_WORDS: usize = 2048;
/// Tools of one page of a list.
pub const MCP_PAGE_TOOLS: usize = 256;
/// Bytes of one page of a list, but for the tool that goes beyond.
pub const MCP_PAGE_BYTES: usize = MIB as usize;
/// How long a client may take a list for true without asking again, in milliseconds.
pub const MCP_LIST_TTL_MS: u64 = 5_000;
/// How often the MCP door looks whether its project changed, in milliseconds.
pub const MCP_RELOAD_MS: u64 = 250;
/// How long calls that run when the MCP door closes may go on, in milliseconds.
pub const MCP_DRAIN_MS: u64 = 10_000;
/// How long clients may take to read their last answers then, in milliseconds.
pub const MCP_FAREWELL_MS: u64 = 2_000;
/// How long a call of an agent at the MCP door waits for its turn before it answers that the turn is running, in milliseconds.
pub const MCP_TURN_WAIT_MS: u64 = 20_000;
/// The same where the client can follow a turn as a task.
pub const MCP_TASK_WAIT_MS: u64 = 1_000;
/// How often whoever waits for a turn that somebody else runs looks at it, and how often a task should be asked for, in milliseconds.
pub const MCP_LOOK_MS: u64 = 100;
/// Turns that the MCP door runs at once, all its clients together; further ones are refused (M14).
pub const MCP_TURNS_MAX: usize = 256;
/// Points in time that a turn of the MCP door waits for by itself, if they are no further away, in milliseconds; for others it is asked after.
pub const MCP_TURN_TIMER_MS: u64 = 60_000;
/// How often a client is asked for one decision; after that, only another door can make it (M18).
pub const MCP_ASKS_MAX: u32 = 3;
/// Rounds of questions that one request leads to (M18).
pub const MCP_ASK_ROUNDS_MAX: u32 = 8;
/// Decisions whose questions are counted; the oldest are forgotten first (M18).
pub const MCP_ASKED_MAX: usize = 1024;
/// How long a client's person may take to answer, in milliseconds.
pub const MCP_ASK_DEADLINE_MS: u64 = 600_000;
/// Largest question that a client is asked; what is larger is decided at another door, where all of it can be read (M18).
pub const MCP_QUESTION_MAX_BYTES: usize = 64 * KIB as usize;
/// Most sessions on one page of the list of resources.
pub const MCP_RESOURCES_PAGE: u32 = 100;
/// Largest resource that the MCP door gives, as it is before it is encoded.
pub const MCP_RESOURCE_MAX_BYTES: usize = 8 * MIB as usize;
/// Most records of a session's timeline as a resource: the newest.
pub const MCP_TIMELINE_RECORDS: u64 = 1000;
/// Open connections of the MCP door over HTTP; further ones wait (M14).
pub const MCP_CONNECTIONS_MAX: usize = 256;
/// Header fields of one request to the MCP door (A9).
pub const MCP_HEADERS_MAX: usize = 64;
/// Bytes of the head of one request to the MCP door (A9).
pub const MCP_HEAD_MAX_BYTES: usize = 32 * KIB as usize;
/// How long a client may take to send the head of a request, in milliseconds (M14).
pub const MCP_HEAD_DEADLINE_MS: u64 = 10_000;
/// Sessions of clients that open one by a handshake over HTTP; further ones are refused (M14).
pub const MCP_SESSIONS_MAX: usize = 256;
/// How long such a session may be idle before it is forgotten, in milliseconds (M14).
pub const MCP_SESSION_IDLE_MS: u64 = 3_600_000;
/// Keys of a project (M14).
pub const KEYS_MAX: usize = 1024;
/// Patterns of tools that a key is narrowed to.
pub const KEY_TOOLS_MAX: usize = 64;
/// Longest label of a key.
pub const KEY_LABEL_MAX_CHARS: usize = 64;
/// How long a key holds when nobody says how long.
pub const KEY_DEFAULT_MS: u64 = 90 * DAY_MS;
/// How long a key may hold.
pub const KEY_MAX_MS: u64 = 365 * DAY_MS;
/// How exactly it is noted when a key was used last, in milliseconds.
pub const KEY_USED_MS: u64 = 60_000;
/// Longest name of a secret.
pub const SECRET_NAME_MAX_BYTES: usize = 64;
/// Shortest value of a secret that is kept: masking a shorter one would mask much else, and miss some of it (M22).
pub const SECRET_MIN_BYTES: usize = 8;
/// Largest value of a secret that is kept; it has to fit into the head of a request (A9).
pub const SECRET_MAX_BYTES: usize = 8 * KIB as usize;
/// Secrets of a project, those of its principals counted one by one.
pub const SECRETS_MAX: usize = 256;
/// Destinations of one secret.
pub const SECRET_DESTINATIONS_MAX: usize = 32;
/// Longest destination of a secret.
pub const DESTINATION_MAX_BYTES: usize = KIB as usize;
/// Largest file of secrets that is read.
pub const SECRETS_FILE_MAX_BYTES: usize = 16 * MIB as usize;
/// How long the MCP door may go on for somebody who was let in and no longer would be, in milliseconds (M19).
pub const MCP_WITHDRAWN_MS: u64 = 250;
/// Requests of one principal to the MCP door over HTTP, a second, once its burst is used up (M14).
pub const MCP_RATE_PER_SECOND: u32 = 100;
/// Requests of one principal that may come at once (M14).
pub const MCP_RATE_BURST: u32 = 200;
/// Requests of one principal that are being answered over HTTP, streams included (M14).
pub const MCP_REQUESTS_PER_PRINCIPAL_MAX: usize = 64;
/// Sessions by handshake of one principal that showed a key or a token, over HTTP; further ones are refused (M14).
pub const MCP_SESSIONS_PER_PRINCIPAL_MAX: usize = 64;
/// Refused credentials a second that are told in the log, once a burst as large is used up (M14).
pub const MCP_REFUSALS_TOLD_PER_SECOND: u32 = 8;
/// How long a client may take to send the body of a request, in milliseconds (M14).
pub const MCP_BODY_DEADLINE_MS: u64 = 30_000;
/// Longest text of `[auth]`.
pub const AUTH_TEXT_MAX_BYTES: usize = 2 * KIB as usize;
/// Scopes that `[auth]` asks for.
pub const AUTH_SCOPES_MAX: usize = 32;
/// Longest token that is looked at; the head of a request bounds it too (M14).
pub const TOKEN_MAX_BYTES: usize = 16 * KIB as usize;
/// How much the clocks of an issuer and of the host may differ, in milliseconds.
pub const TOKEN_LEEWAY_MS: u64 = 30_000;
/// Largest set of public keys of an issuer.
pub const JWKS_MAX_BYTES: usize = 256 * KIB as usize;
/// Public keys of it that are kept; further ones are not looked at.
pub const JWKS_KEYS_MAX: usize = 64;
/// How long fetching it may take, in milliseconds.
pub const JWKS_DEADLINE_MS: u64 = 5_000;
/// How long it is taken for true without asking again, in milliseconds.
pub const JWKS_TTL_MS: u64 = 600_000;
/// How long it is used when asking again fails, in milliseconds.
pub const JWKS_STALE_MAX_MS: u64 = 3_600_000;
/// How often it is asked for at most, whatever tokens name, in milliseconds (M14).
pub const JWKS_PAUSE_MS: u64 = 10_000;
/// Questions that a plugin asks a client in one round, and answers that it is given (M14).
pub const MCP_QUESTIONS_MAX: usize = 16;
/// Bytes of all questions of a round (M14).
pub const MCP_QUESTIONS_MAX_BYTES: usize = 256 * KIB as usize;
/// Bytes that a plugin may keep from one round to the next (M14).
pub const MCP_STATE_MAX_BYTES: usize = 64 * KIB as usize;
/// How long a client may bring that state back, in milliseconds.
pub const MCP_STATE_TTL_MS: u64 = 900_000;
/// Rounds of one call over a connection with a handshake (M14).
pub const MCP_ROUNDS_MAX: usize = 16;
/// How long a client of such a connection may take for one answer, in milliseconds (M14).
pub const MCP_ANSWER_MS: u64 = 600_000;
/// Prompts, and resources, that one plugin may list (M14).
pub const MCP_LISTED_MAX: usize = 256;
/// Bytes of what one plugin lists of each (M14).
pub const MCP_LISTED_MAX_BYTES: usize = 256 * KIB as usize;
/// Values that complete the argument of a prompt; the protocol allows no more.
pub const MCP_COMPLETIONS_MAX: usize = 100;
/// Bytes of a URI that a client names (M14).
pub const MCP_URI_MAX_BYTES: usize = 4 * KIB as usize;
/// Resources that one client may want to be told of (M14).
pub const MCP_SUBSCRIPTIONS_MAX: usize = 256;
/// Keys of `[review] signers` in `remit.toml`: each is tried on each approval (C2).
pub const SIGNERS_MAX: usize = 64;
/// The file of a key that signs approvals; minisign writes two lines (C2).
pub const SIGNING_KEY_MAX_BYTES: u64 = 4 * KIB;
/// A signature on an approval, with its comments; a lock keeps one for each approval (C2).
pub const SIGNATURE_MAX_BYTES: usize = 2 * KIB as usize;
/// Requests that a call's record in a journal names as used (R5).
pub const USES_MAX: usize = 64;
/// One of them, in words (R5).
pub const USE_MAX_BYTES: usize = 512;
/// Longest name of a plugin or a tool that is recorded of a call, whether there is one or not.
pub const NAMED_MAX_CHARS: usize = 128;
/// Largest record of the audit log; a call with a larger one is withheld (L1).
pub const AUDIT_RECORD_MAX_BYTES: usize = 512 * KIB as usize;
/// How long the record of a call that only reads may wait before it is written.
pub const AUDIT_LAG_MS: u64 = 100;
/// Records that wait so; where they are more, calls wait for the disk.
pub const AUDIT_WAITING_MAX_BYTES: usize = 4 * MIB as usize;
/// How often a checkpoint of the audit log is signed at most, while records arrive.
pub const AUDIT_CHECKPOINT_MS: u64 = 1000;
/// Largest file of a checkpoint that is read, and most of a key that signs them.
pub const AUDIT_CHECKPOINT_MAX_BYTES: u64 = 4 * KIB;
/// Sockets of `wasi:sockets` that a call has open at once (R12).
pub const SOCKETS_MAX: usize = 32;
/// Root certificates that a project adds, each a file.
pub const ROOTS_MAX: usize = 16;
/// Largest file of root certificates that is read.
pub const ROOT_MAX_BYTES: u64 = MIB;
/// Sessions and principals whose requests of the last minute a host counts, for each plugin; more reach out only once some of them rest (N15).
pub const SPENDERS_MAX: usize = 16_384;
/// Processes of isolated plugins that wait for another call, all plugins of a host together; the one that waits longest ends.
pub const ISOLATED_IDLE_MAX: usize = 8;
/// CPU time after which the process of an isolated plugin is not used again, in seconds; the kernel ends it at twice that, should its
/// host not.
pub const ISOLATED_CPU_S: u64 = 3_600;
/// Memory that the process of an isolated plugin may write beside that of its guest and its code (A4).
pub const ISOLATED_OVERHEAD_BYTES: u64 = 128 * MIB;
/// Epoch tick: how often a running guest is looked at (A1).
pub const EPOCH_TICK_MS: u64 = 10;
