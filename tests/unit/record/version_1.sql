-- the catalogue as version 1 made it; never to be changed
CREATE TABLE meta (
    "key" VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE volume (
    id VARCHAR NOT NULL,
    pool VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    repository_id VARCHAR,
    writer_number BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (pool, name)
);
CREATE TABLE data_source (
    id VARCHAR NOT NULL,
    vm_id VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    machine_name VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    protection_group VARCHAR NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (vm_id, role)
);
CREATE TABLE alert (
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    message VARCHAR NOT NULL,
    opened_at BIGINT NOT NULL,
    resolved_at BIGINT,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX one_open_alert_a_subject ON alert (kind, subject) WHERE resolved_at is null;
CREATE TABLE pass (
    id VARCHAR NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    "plan" VARCHAR NOT NULL,
    policy_digest VARCHAR NOT NULL,
    clock VARCHAR NOT NULL,
    actions INTEGER NOT NULL,
    findings INTEGER NOT NULL,
    jobs_started INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_pass_started_at ON pass (started_at);
CREATE TABLE policy_file (
    path VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    content BLOB NOT NULL,
    kept_at BIGINT NOT NULL,
    PRIMARY KEY (path)
);
CREATE TABLE disk (
    id VARCHAR NOT NULL,
    data_source VARCHAR NOT NULL,
    virtual_disk_id VARCHAR NOT NULL,
    controller_type VARCHAR,
    controller_number INTEGER,
    location INTEGER,
    PRIMARY KEY (id),
    FOREIGN KEY(data_source) REFERENCES data_source (id)
);
CREATE INDEX ix_disk_data_source ON disk (data_source);
CREATE TABLE recovery_point (
    id VARCHAR NOT NULL,
    data_source VARCHAR NOT NULL,
    volume VARCHAR NOT NULL,
    captured_at BIGINT NOT NULL,
    consistency VARCHAR NOT NULL,
    cause VARCHAR NOT NULL,
    slot_at BIGINT,
    job VARCHAR NOT NULL,
    bytes_read BIGINT NOT NULL,
    bytes_stored BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(data_source) REFERENCES data_source (id),
    FOREIGN KEY(volume) REFERENCES volume (id)
);
CREATE INDEX recovery_point_by_source ON recovery_point (data_source, captured_at);
CREATE TABLE reference_point (
    id VARCHAR NOT NULL,
    data_source VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    rct_ids TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(data_source) REFERENCES data_source (id)
);
CREATE INDEX ix_reference_point_data_source ON reference_point (data_source);
CREATE TABLE inconsistency (
    data_source VARCHAR NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (data_source, began_at),
    FOREIGN KEY(data_source) REFERENCES data_source (id)
);
CREATE TABLE job (
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    data_source VARCHAR,
    host VARCHAR,
    "plan" VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    owner VARCHAR,
    epoch BIGINT NOT NULL,
    beat_at BIGINT,
    not_before BIGINT NOT NULL,
    intent TEXT,
    progress TEXT,
    outcome TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    PRIMARY KEY (id),
    CONSTRAINT epoch_counts_up CHECK (epoch >= 0),
    FOREIGN KEY(data_source) REFERENCES data_source (id)
);
CREATE UNIQUE INDEX one_live_job_a_source ON job (data_source) WHERE state in ('ready', 'running');
CREATE INDEX job_by_age ON job (created_at);
CREATE TABLE request (
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    data_source VARCHAR,
    parameters TEXT NOT NULL,
    state VARCHAR NOT NULL,
    result TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(data_source) REFERENCES data_source (id)
);
CREATE INDEX ix_request_state ON request (state);
CREATE INDEX ix_request_created_at ON request (created_at);
CREATE TABLE replica (
    data_source VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    volume VARCHAR,
    head_recovery_point VARCHAR,
    head_reference_point VARCHAR,
    head_rct_ids TEXT NOT NULL,
    PRIMARY KEY (data_source),
    FOREIGN KEY(data_source) REFERENCES data_source (id),
    FOREIGN KEY(volume) REFERENCES volume (id),
    FOREIGN KEY(head_recovery_point) REFERENCES recovery_point (id),
    FOREIGN KEY(head_reference_point) REFERENCES reference_point (id)
);
