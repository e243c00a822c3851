-- Version 2.  A generation is what one model made: features of another model, layer, number of
-- views or metric are never compared with these.
CREATE TABLE generations (
    generation   INTEGER PRIMARY KEY,
    model_digest TEXT    NOT NULL,
    layer        TEXT    NOT NULL,
    views        INTEGER NOT NULL,
    metric       TEXT    NOT NULL CHECK (metric IN ('l2', 'cosine')),
    units        INTEGER NOT NULL,
    created_at   TEXT    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'building')),
    coder        INTEGER REFERENCES coders,  -- NULL: every search is exact
    report       TEXT,                       -- JSON: how it differs from the one it was made from
    UNIQUE (model_digest, layer, views, metric)
) STRICT;

-- How features become codes; a row is never updated.
CREATE TABLE coders (
    coder        INTEGER PRIMARY KEY AUTOINCREMENT,
    generation   INTEGER NOT NULL REFERENCES generations,
    kind         TEXT    NOT NULL,
    code_bytes   INTEGER NOT NULL,
    parameters   BLOB    NOT NULL,
    fitted_on    INTEGER NOT NULL,           -- pictures
    created_at   TEXT    NOT NULL
) STRICT;

-- Small rows, so that filters and pages read no blob: SQLite keeps up to a page of one in the row.
-- AUTOINCREMENT: a key is never used again.
CREATE TABLE pictures (
    picture        INTEGER PRIMARY KEY AUTOINCREMENT,
    generation     INTEGER NOT NULL REFERENCES generations,
    id             TEXT    NOT NULL,
    content_sha256 TEXT    NOT NULL,
    content_bytes  INTEGER,                  -- NULL: stored by version 1
    label          TEXT,
    metadata       TEXT    NOT NULL,         -- a JSON object
    created_at     TEXT    NOT NULL,
    crc32          INTEGER NOT NULL,         -- of id to created_at, as rows.text_crc32 joins them
    UNIQUE (generation, id)
) STRICT;

CREATE INDEX pictures_by_label ON pictures (generation, label, id);
CREATE INDEX pictures_by_content ON pictures (content_sha256);

CREATE TABLE features (
    picture  INTEGER PRIMARY KEY REFERENCES pictures,
    features BLOB    NOT NULL,               -- little-endian float32
    crc32    INTEGER NOT NULL
) STRICT;

CREATE TABLE thumbnails (
    picture   INTEGER PRIMARY KEY REFERENCES pictures,
    thumbnail BLOB    NOT NULL,              -- JPEG
    crc32     INTEGER NOT NULL
) STRICT;

CREATE TABLE codes (
    coder   INTEGER NOT NULL,
    picture INTEGER NOT NULL,
    code    BLOB    NOT NULL,
    PRIMARY KEY (coder, picture)
) STRICT, WITHOUT ROWID;
