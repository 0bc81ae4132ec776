-- The ledger of one node.  Written by the node alone; open it with sqlite3 -readonly and ask.
-- Everything but `meta` and `journal` is derived from the genesis and from canonical bytes (header, raw,
-- certificate, entry) that quorate audit replays: an edited row is found, whoever edits it.
-- Amounts are INTEGER (at most 2^63-1; never summed in SQL by the node). Hashes and ids are BLOBs: use hex().
-- An unsigned 64-bit value above 2^63-1 (an expiry, a nonce) stands as the signed one with the same bits.

CREATE TABLE meta (                       -- 'chain' (BLOB), 'schema' (INTEGER), 'journal_count' (INTEGER), 'journal_link' (BLOB)
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE replicas (                   -- who they are, as the genesis says
  replica INTEGER PRIMARY KEY,            -- index, from 0: what every other table calls `replica`
  name    TEXT NOT NULL,
  key     BLOB NOT NULL,                  -- 32-byte Ed25519 public key
  account BLOB                            -- 20-byte address whose stake is its own; NULL where proposers are not by stake
) STRICT;

CREATE TABLE blocks (                     -- one row a block, heights 1, 2, 3 ...; the genesis has none
  height       INTEGER PRIMARY KEY CHECK (height > 0),
  hash         BLOB NOT NULL,             -- 32 bytes
  parent       BLOB NOT NULL,             -- hash of the block below; the chain id at height 1
  merkle_root  BLOB NOT NULL,
  tx_count     INTEGER NOT NULL,
  first_tx     INTEGER NOT NULL,          -- transactions.seq of its first transaction
  proposer     INTEGER NOT NULL,          -- replica index
  time_ms      INTEGER NOT NULL,          -- ms since 1970, by the proposer's clock
  certified_by INTEGER NOT NULL,          -- height (this one or above) whose certificate makes it final
  target       BLOB,                      -- proof of work: 32 bytes, big-endian, that `hash` does not exceed; NULL: no seal
  nonce        INTEGER,                   -- NULL: no seal
  header       BLOB NOT NULL,             -- canonical qheader
  CHECK ((target IS NULL) = (nonce IS NULL))
) STRICT;
CREATE UNIQUE INDEX blocks_hash ON blocks(hash);

CREATE TABLE transactions (               -- seq 0 stands for the genesis allocations (height 0, raw empty)
  seq      INTEGER PRIMARY KEY,           -- 1, 2, 3 ... in chain order
  txid     BLOB NOT NULL,                 -- 32 bytes
  height   INTEGER NOT NULL,
  position INTEGER NOT NULL,              -- in its block, from 0
  expiry   INTEGER NOT NULL,              -- last height that may hold it; 0: none
  memo     BLOB NOT NULL,
  raw      BLOB NOT NULL                  -- canonical qtx
) STRICT;
-- Ids are random: in order of ids alone each transaction of a block would change a page of its own, and the more so the
-- longer the chain.  So the index is in parts, of 32768 transactions each, and only the last is written.  `WHERE txid = x'...'`
-- looks into all of them, because the node keeps a line in sqlite_stat1, by which they are few.
CREATE UNIQUE INDEX transactions_txid ON transactions(seq >> 15, txid);
ANALYZE transactions;                     -- makes sqlite_stat1; there is nothing to be found yet

CREATE TABLE outputs (
  tx       INTEGER NOT NULL,              -- transactions.seq of the transaction that made it
  position INTEGER NOT NULL,              -- in that transaction, from 0
  owner    BLOB NOT NULL,                 -- 20-byte address
  amount   INTEGER NOT NULL CHECK (amount > 0),
  lock     TEXT,                          -- 'stake', 'release' or 'frozen'; NULL: free
  replica  INTEGER,                       -- index of the replica that it is locked for; NULL: free
  spent_by INTEGER,                       -- transactions.seq of the spender; NULL: unspent
  PRIMARY KEY (tx, position),
  -- What is free, as most is, is through with the first two words.
  CHECK ((lock IS NULL AND replica IS NULL)
         OR (replica IS NOT NULL AND (lock IS 'stake' OR lock IS 'release' OR lock IS 'frozen')))
) STRICT, WITHOUT ROWID;

CREATE TABLE inputs (
  tx              INTEGER NOT NULL,       -- transactions.seq of the spender
  position        INTEGER NOT NULL,       -- in that transaction, from 0
  source_tx       INTEGER NOT NULL,       -- outputs.tx
  source_position INTEGER NOT NULL,       -- outputs.position
  PRIMARY KEY (tx, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE convictions (                -- offences that transactions carried; only where proposers are by stake
  height         INTEGER NOT NULL,        -- of the block: counts for all that was locked at or below it
  replica        INTEGER NOT NULL,        -- index of the convicted
  tx             INTEGER NOT NULL,        -- transactions.seq of the transaction that carried it
  kind           TEXT NOT NULL CHECK (kind IN ('prepare', 'commit', 'checkpoint')),   -- of the two votes
  view           INTEGER NOT NULL,        -- of the votes; 0 for checkpoints
  offence_height INTEGER NOT NULL,        -- of the votes
  PRIMARY KEY (height, replica)
) STRICT, WITHOUT ROWID;
CREATE INDEX convictions_of ON convictions(replica, height);

CREATE TABLE stakes (                     -- each replica's stake at the end of each epoch; only where proposers are by stake
  height       INTEGER NOT NULL,          -- end of the epoch; 0: the genesis
  replica      INTEGER NOT NULL,
  own          INTEGER NOT NULL,          -- locked by the replica's own account
  delegated    INTEGER NOT NULL,          -- locked by others for it
  turns        INTEGER NOT NULL,          -- of the cycle of 127 that this table makes
  first_height INTEGER NOT NULL,          -- the first height whose proposers it decides
  PRIMARY KEY (height, replica)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (               -- at the heights that blocks.certified_by names, no other
  height      INTEGER PRIMARY KEY,
  kind        TEXT NOT NULL CHECK (kind IN ('commit', 'checkpoint')),
  view        INTEGER NOT NULL,
  block       BLOB NOT NULL,              -- block hash
  certificate BLOB NOT NULL               -- canonical qcert
) STRICT;

CREATE TABLE signers (                    -- who signed which certificate
  height    INTEGER NOT NULL,             -- certificates.height
  replica   INTEGER NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (height, replica)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (                    -- what this node saw beside the chain; hash-linked, never edited
  seq    INTEGER PRIMARY KEY,             -- 1, 2, 3 ...
  kind   TEXT NOT NULL CHECK (kind IN ('new_view', 'stable', 'evidence')),
  entry  BLOB NOT NULL,                   -- canonical qjournal
  link   BLOB NOT NULL                    -- SHA-256 over a tag, the link before (32 zero bytes) and the entry
) STRICT;
CREATE INDEX journal_kind ON journal(kind);

CREATE TABLE evidence (                   -- what the journal's entries of evidence are about; the proof is the entry
  seq       INTEGER PRIMARY KEY,          -- journal.seq
  kind      TEXT NOT NULL CHECK (kind IN ('conflict', 'bad_proposal', 'double_spend', 'fork')),
  statement TEXT,                         -- pre_prepare, prepare, commit, checkpoint, view_change or new_view; NULL: a double spend
  view      INTEGER,                      -- of the statement; NULL: a double spend
  height    INTEGER,                      -- of the statement; of a fork: where the two part (0: on another genesis);
                                          -- NULL: a view_change or new_view, which have none, or a double spend
  first     BLOB NOT NULL,                -- 32 bytes: block hash, digest of a VIEW-CHANGE or NEW-VIEW, or txid of the one seen first
  second    BLOB,                         -- the other one; NULL: a bad proposal
  signer    BLOB,                         -- 20-byte address that signed both transactions of a double spend; else NULL
  output_tx BLOB,                         -- the output that both spend: txid
  output_position INTEGER                 -- and position
) STRICT;
CREATE INDEX evidence_first ON evidence(first);
CREATE INDEX evidence_second ON evidence(second);

CREATE TABLE culprits (                   -- replicas that a piece of evidence convicts
  seq     INTEGER NOT NULL,               -- evidence.seq
  replica INTEGER NOT NULL,
  PRIMARY KEY (seq, replica)
) STRICT, WITHOUT ROWID;

-- Views: questions that people ask, ready to SELECT; docs/SQL.md shows their answers.  The node itself uses none.
-- A time is text in UTC.

-- What each address holds now: all of it, and how much of that is free, at stake, released (free once the unbonding
-- delay has passed since) or frozen for ever.
CREATE VIEW balances (owner, amount, outputs, free, staked, released, frozen) AS
  SELECT owner, sum(amount), count(*),
         ifnull(sum(amount) FILTER (WHERE lock IS NULL), 0), ifnull(sum(amount) FILTER (WHERE lock = 'stake'), 0),
         ifnull(sum(amount) FILTER (WHERE lock = 'release'), 0), ifnull(sum(amount) FILTER (WHERE lock = 'frozen'), 0)
  FROM outputs WHERE spent_by IS NULL GROUP BY owner;

-- Every output with the heights between which it lived: spent_at is NULL while it does.
CREATE VIEW coins (owner, amount, txid, position, made_at, spent_at, lock, replica) AS
  SELECT o.owner, o.amount, m.txid, o.position, m.height, s.height, o.lock, o.replica
  FROM outputs o JOIN transactions m ON m.seq = o.tx LEFT JOIN transactions s ON s.seq = o.spent_by;

-- What each address held, one row whenever it changed: from the block at from_height on, before the one at until_height
-- (NULL: still now).  What an address held after block 17:
--   SELECT amount FROM holdings WHERE owner = x'...' AND from_height <= 17 AND ifnull(until_height > 17, 1);
-- What was made and spent in one block was never held after one.
CREATE VIEW holdings (owner, from_height, until_height, amount, outputs) AS
  WITH net AS (
    SELECT owner, iif(sign = 1, made_at, spent_at) AS height, sum(sign * amount) AS amount, sum(sign) AS outputs
    FROM coins, (SELECT 1 AS sign UNION ALL SELECT -1)
    WHERE spent_at > made_at OR (spent_at IS NULL AND sign = 1) GROUP BY 1, 2)
  SELECT owner, height, lead(height) OVER later, sum(amount) OVER later, sum(outputs) OVER later
  FROM net WINDOW later AS (PARTITION BY owner ORDER BY height);

-- How much there is after each block, in how many outputs; amount is the same everywhere: what the genesis allocated.
CREATE VIEW supply (height, outputs, amount) AS
  WITH moves (height, amount, outputs) AS (
    SELECT made_at, amount, 1 FROM coins WHERE spent_at IS NULL OR spent_at > made_at
    UNION ALL SELECT spent_at, -amount, -1 FROM coins WHERE spent_at > made_at
    UNION ALL SELECT height, 0, 0 FROM blocks),
  net AS (SELECT height, sum(amount) AS amount, sum(outputs) AS outputs FROM moves GROUP BY height)
  SELECT height, sum(outputs) OVER so_far, sum(amount) OVER so_far FROM net WINDOW so_far AS (ORDER BY height);

-- Which output (txid, position) was spent by which transaction, and in which block.
CREATE VIEW spends (txid, position, spent_by, height) AS
  SELECT m.txid, i.source_position, s.txid, s.height
  FROM inputs i JOIN transactions m ON m.seq = i.source_tx JOIN transactions s ON s.seq = i.tx;

-- Outputs that more than one input consumed.  Always empty: that is what the ledger is for.
CREATE VIEW double_spent (txid, position, spends) AS
  SELECT m.txid, i.source_position, count(*)
  FROM inputs i JOIN transactions m ON m.seq = i.source_tx
  GROUP BY i.source_tx, i.source_position HAVING count(*) > 1;

-- Two signed transactions that spend one output: who tried it (signer; owner of the output), for how much, which one
-- is in the ledger, where and since when.  While neither is final here, winner is the one that was seen first, and
-- height and time are NULL: nodes that are asked at once see different ones first.
CREATE VIEW double_spend_attempts (seq, signer, winner, loser, output_tx, output_position, owner, amount, height, time) AS
  WITH e AS (
    SELECT seq, signer, first AS winner, second AS loser, output_tx, output_position FROM evidence
    WHERE kind = 'double_spend' AND NOT EXISTS (SELECT 1 FROM transactions WHERE txid = second)
    UNION ALL SELECT seq, signer, second, first, output_tx, output_position FROM evidence
    WHERE kind = 'double_spend' AND EXISTS (SELECT 1 FROM transactions WHERE txid = second))
  SELECT e.seq, e.signer, e.winner, e.loser, e.output_tx, e.output_position, o.owner, o.amount, w.height,
         datetime(b.time_ms / 1000, 'unixepoch')
  FROM e LEFT JOIN transactions m ON m.txid = e.output_tx
       LEFT JOIN outputs o ON o.tx = m.seq AND o.position = e.output_position
       LEFT JOIN transactions w ON w.txid = e.winner LEFT JOIN blocks b ON b.height = w.height;

-- What is proven of replicas, one row for each culprit; of a fork whose culprits it does not name one row without any.
CREATE VIEW offenders (seq, replica, name, kind, statement, view, height, first, second) AS
  SELECT e.seq, c.replica, r.name, e.kind, e.statement, e.view, e.height, e.first, e.second
  FROM evidence e LEFT JOIN culprits c ON c.seq = e.seq LEFT JOIN replicas r ON r.replica = c.replica
  WHERE e.kind <> 'double_spend';

-- How many replicas there are, how many of them may be faulty (f), and how many have to sign a certificate.
CREATE VIEW quorum (replicas, faulty, quorum) AS
  SELECT count(*), (count(*) - 1) / 3, (count(*) + (count(*) - 1) / 3 + 2) / 2 FROM replicas;

-- Who signed block 17:  SELECT replica, name FROM signed_by WHERE height = 17;
-- A block is final by its own certificate or by that of a descendant, `certified_by`.
CREATE VIEW signed_by (height, replica, name, certified_by) AS
  SELECT b.height, s.replica, r.name, b.certified_by
  FROM blocks b JOIN signers s ON s.height = b.certified_by LEFT JOIN replicas r ON r.replica = s.replica;

-- Who signs, and who never does: how many of how many certificates, the heights of the first and the last of them, and of
-- the first one since that it did not sign (NULL: it signed the last).  A certificate needs no more than a quorum, so
-- the slowest of the honest are in few of them.
CREATE VIEW signer_activity (replica, name, signed, certificates, first_height, last_height, silent_since) AS
  WITH signed AS (
    SELECT replica, count(*) AS cnt, min(height) AS first, max(height) AS last FROM signers GROUP BY replica)
  SELECT r.replica, r.name, ifnull(s.cnt, 0), (SELECT count(*) FROM certificates), s.first, s.last,
         (SELECT min(height) FROM certificates WHERE height > ifnull(s.last, 0))
  FROM replicas r LEFT JOIN signed s ON s.replica = r.replica;

-- Blocks whose certificate is not there, or not whole: its signatures are in `signers`, and its bytes say how many
-- there are (68 each, after 88).  Always empty.  Whether signatures hold, only the audit can say.
CREATE VIEW incomplete_certificates (height, certified_by, signatures, contained, quorum, wrong) AS
  SELECT height, certified_by, signatures, contained, quorum,
         CASE WHEN contained IS NULL THEN 'no certificate' WHEN signatures < quorum THEN 'fewer signers than a quorum'
              WHEN signatures <> contained THEN 'not as many signers as it contains' ELSE 'of another block' END
  FROM (SELECT b.height, b.certified_by, (SELECT count(*) FROM signers s WHERE s.height = b.certified_by) AS signatures,
               (length(c.certificate) - 88) / 68 AS contained, q.quorum, c.block IS t.hash AS fits
        FROM blocks b CROSS JOIN quorum q LEFT JOIN certificates c ON c.height = b.certified_by
             LEFT JOIN blocks t ON t.height = b.certified_by)
  WHERE contained IS NULL OR signatures < quorum OR signatures <> contained OR NOT fits;

-- Who proposed what share of all blocks, and the last of them; where proposers are by stake, proposer_shares holds this
-- against what was promised.
CREATE VIEW proposers (replica, name, blocks, share, last_height) AS
  WITH made AS (SELECT proposer, count(*) AS cnt, max(height) AS last FROM blocks GROUP BY proposer)
  SELECT r.replica, r.name, ifnull(m.cnt, 0), 1.0 * ifnull(m.cnt, 0) / (SELECT count(*) FROM blocks), m.last
  FROM replicas r LEFT JOIN made m ON m.proposer = r.replica;

-- The journal's NEW-VIEWs: every one that was entered.
CREATE VIEW new_views (seq, entry) AS SELECT seq, entry FROM journal WHERE kind = 'new_view';

-- The next four are empty where proposers are not by stake.  Accounts of replicas are in the genesis.

-- What each replica had at stake at each epoch's end (0: in the genesis), its share of all stake, and the turns that
-- this made it, in the cycle of 127.  Who gained and lost:
--   SELECT replica, height, own, delegated FROM stake_history ORDER BY replica, height;
CREATE VIEW stake_history (height, replica, own, delegated, share, turns) AS
  SELECT height, replica, own, delegated,
         1.0 * (own + delegated) / sum(own + delegated) OVER (PARTITION BY height), turns
  FROM stakes;

-- What was promised and what came of it.  The table of `settled` decided who proposed from first_height to last_height
-- (the tip, if it still decides): promised is the share of the turns, had the share of the blocks.  They differ by
-- view changes, which skip whoever is silent; by a turn or two where an epoch ends inside a cycle; and by turns with
-- nothing to propose.
CREATE VIEW proposer_shares (settled, first_height, last_height, replica, turns, promised, blocks, had) AS
  WITH spans AS (
    SELECT height AS settled, min(first_height) AS first,
           lead(min(first_height), 1, 9223372036854775807) OVER (ORDER BY height) - 1 AS last
    FROM stakes GROUP BY height),
  made AS (
    SELECT p.settled, b.proposer, count(*) AS blocks
    FROM spans p JOIN blocks b ON b.height BETWEEN p.first AND p.last GROUP BY p.settled, b.proposer)
  SELECT s.height, p.first, min(p.last, (SELECT max(height) FROM blocks)), s.replica, s.turns, s.turns / 127.0,
         ifnull(m.blocks, 0), 1.0 * ifnull(m.blocks, 0) / sum(ifnull(m.blocks, 0)) OVER (PARTITION BY s.height)
  FROM stakes s JOIN spans p ON p.settled = s.height
       LEFT JOIN made m ON m.settled = s.height AND m.proposer = s.replica
  WHERE p.first <= (SELECT max(height) FROM blocks);

-- Who backed which replica with how much, and from which height to which: until_height is of the block that moved it,
-- be it to stake again, NULL while it stands.  Of the replica's own account it is own stake, of any other delegated.
-- Who backed replica 2 after block 17:
--   SELECT hex(owner), sum(amount) FROM delegations
--   WHERE replica = 2 AND from_height <= 17 AND (until_height IS NULL OR until_height > 17) GROUP BY owner;
CREATE VIEW delegations (owner, replica, amount, from_height, until_height) AS
  SELECT owner, replica, amount, made_at, spent_at FROM coins WHERE lock = 'stake';

-- Every conviction, with the transaction that carried the offence, and what stayed frozen of it so far: one row for each
-- frozen output, one with NULLs while there is none (nobody has moved what is liable).  Frozen value counts for the first
-- conviction that what was spent for it had lived through.
CREATE VIEW penalties (replica, convicted_at, kind, offence_height, reported_by, owner, frozen, frozen_at, frozen_by) AS
  WITH frozen AS (
    SELECT f.replica, f.owner, f.amount, t.height, t.txid,
           (SELECT min(c.height) FROM convictions c WHERE c.replica = f.replica AND c.height < t.height AND c.height >=
             (SELECT min(m.height) FROM inputs i JOIN outputs s ON s.tx = i.source_tx AND s.position = i.source_position
                     JOIN transactions m ON m.seq = s.tx
              WHERE i.tx = f.tx AND s.owner = f.owner AND s.replica = f.replica)) AS convicted_at
    FROM outputs f JOIN transactions t ON t.seq = f.tx WHERE f.lock = 'frozen')
  SELECT c.replica, c.height, c.kind, c.offence_height, r.txid, f.owner, f.amount, f.height, f.txid
  FROM convictions c JOIN transactions r ON r.seq = c.tx
       LEFT JOIN frozen f ON f.replica = c.replica AND f.convicted_at = c.height;
