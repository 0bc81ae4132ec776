-- The ledger of one node.  Written by the node alone; open it with sqlite3 -readonly and ask.
-- Everything but `meta` and `journal` is derived from canonical bytes (header, raw, certificate) that
-- quorate audit replays: an edited row is found, whoever edits it.
-- Amounts are INTEGER (at most 2^63-1; never summed in SQL by the node). Hashes and ids are BLOBs: use hex().

CREATE TABLE meta (                       -- 'chain' (BLOB), 'schema' (INTEGER), 'journal_count' (INTEGER), 'journal_link' (BLOB)
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

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
  header       BLOB NOT NULL              -- canonical qheader
) STRICT;

CREATE TABLE transactions (               -- seq 0 stands for the genesis allocations (height 0, raw empty)
  seq      INTEGER PRIMARY KEY,           -- 1, 2, 3 ... in chain order
  txid     BLOB NOT NULL,                 -- 32 bytes
  height   INTEGER NOT NULL,
  position INTEGER NOT NULL,              -- in its block, from 0
  expiry   INTEGER NOT NULL,              -- last height that may hold it; 0: none
  memo     BLOB NOT NULL,
  raw      BLOB NOT NULL                  -- canonical qtx
) STRICT;
CREATE UNIQUE INDEX transactions_txid ON transactions(txid);

CREATE TABLE outputs (
  tx       INTEGER NOT NULL,              -- transactions.seq of the transaction that made it
  position INTEGER NOT NULL,              -- in that transaction, from 0
  owner    BLOB NOT NULL,                 -- 20-byte address
  amount   INTEGER NOT NULL CHECK (amount > 0),
  spent_by INTEGER,                       -- transactions.seq of the spender; NULL: unspent
  PRIMARY KEY (tx, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX outputs_owner ON outputs(owner);

CREATE TABLE inputs (
  tx              INTEGER NOT NULL,       -- transactions.seq of the spender
  position        INTEGER NOT NULL,       -- in that transaction, from 0
  source_tx       INTEGER NOT NULL,       -- outputs.tx
  source_position INTEGER NOT NULL,       -- outputs.position
  PRIMARY KEY (tx, position)
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
  link   BLOB NOT NULL                    -- SHA-256 over a tag, the link before and the entry
) STRICT;
