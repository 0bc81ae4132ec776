-- The vote log of one replica: what it has signed and must not forget (see votes.h, record.h).
-- Local to the node: nothing in it can be checked against other replicas, so nobody should edit it.

CREATE TABLE meta (                       -- 'key' (BLOB): the replica's public key; 'amnesiac' (INTEGER): 0 or 1
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
  kind   INTEGER NOT NULL,                -- enum vote_record_kind
  view   INTEGER NOT NULL,                -- 0 where the kind has none
  height INTEGER NOT NULL,                -- 0 where the kind has none
  bytes  BLOB NOT NULL,
  PRIMARY KEY (kind, view, height)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocks (                     -- bodies of the blocks voted for, until they are executed
  hash   BLOB PRIMARY KEY,
  height INTEGER NOT NULL,
  bytes  BLOB NOT NULL                    -- canonical qblock
) STRICT;
