-- One row a picture and generation.  A generation is what one model made: features of another
-- model, layer, number of views or metric are never compared with these.
CREATE TABLE generations (
    generation   INTEGER PRIMARY KEY,
    model_digest TEXT    NOT NULL,
    layer        TEXT    NOT NULL,
    views        INTEGER NOT NULL,
    metric       TEXT    NOT NULL,
    units        INTEGER NOT NULL,
    created_at   TEXT    NOT NULL,
    UNIQUE (model_digest, layer, views, metric)
) STRICT;

CREATE TABLE pictures (
    picture        INTEGER PRIMARY KEY,
    generation     INTEGER NOT NULL REFERENCES generations,
    id             TEXT    NOT NULL,
    content_sha256 TEXT    NOT NULL,
    label          TEXT,
    metadata       TEXT    NOT NULL,
    created_at     TEXT    NOT NULL,
    thumbnail      BLOB    NOT NULL,
    features       BLOB    NOT NULL,  -- little-endian float32
    UNIQUE (generation, id)
) STRICT;

CREATE INDEX pictures_by_label ON pictures (generation, label, id);
