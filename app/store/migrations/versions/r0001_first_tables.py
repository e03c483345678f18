"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

ACTIVE = sa.text("state IN ('queued', 'running')")


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def utc() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def document() -> sa.JSON:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", words(16), nullable=False),
        sa.Column("name", words(100), nullable=False),
        sa.Column("role", words(16), nullable=False),
        sa.Column("secret_sha256", words(64), nullable=False),
        sa.Column("created_by", words(255), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.Column("expires_at", utc(), nullable=True),
        sa.Column("revoked_at", utc(), nullable=True),
        sa.CheckConstraint("role IN ('read', 'inspect', 'admin')", name=op.f("ck_api_keys_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "audit",
        sa.Column("id", words(36), nullable=False),
        sa.Column("actor", words(255), nullable=False),
        sa.Column("action", words(64), nullable=False),
        sa.Column("target", words(255), nullable=False),
        sa.Column("detail", document(), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_target"), "audit", ["target"], unique=False)
    op.create_table(
        "banks",
        sa.Column("id", words(63), nullable=False),
        sa.Column("title", words(200), nullable=False),
        sa.Column("config", document(), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.Column("updated_at", utc(), nullable=False),
        sa.Column("target_false_reject", sa.Float(), nullable=True),
        sa.Column("target_review", sa.Float(), nullable=True),
        sa.Column("review_threshold", sa.Float(), nullable=True),
        sa.Column("reject_threshold", sa.Float(), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("active_version", sa.Integer(), nullable=True),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_banks")),
    )
    op.create_table(
        "blobs",
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", words(100), nullable=False),
        sa.Column("touched_at", utc(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blobs")),
    )
    op.create_index(op.f("ix_blobs_touched_at"), "blobs", ["touched_at"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", words(255), nullable=False),
        sa.Column("name", words(255), nullable=False),
        sa.Column("request_sha256", words(64), nullable=False),
        sa.Column("job_id", words(36), nullable=False),
        sa.Column("expires_at", utc(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"], unique=False)
    op.create_table(
        "images",
        sa.Column("bank", words(63), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("name", words(255), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("source", words(16), nullable=False),
        sa.Column("added_at", utc(), nullable=False),
        sa.Column("inspection_id", words(36), nullable=True),
        sa.CheckConstraint("source IN ('upload', 'false_alarm')", name=op.f("ck_images_source")),
        sa.ForeignKeyConstraint(["bank"], ["banks.id"], name=op.f("fk_images_bank"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_images_sha256")),
        sa.PrimaryKeyConstraint("bank", "sha256", name=op.f("pk_images")),
    )
    op.create_index(op.f("ix_images_bank_name_sha256"), "images", ["bank", "name", "sha256"], unique=False)
    op.create_index(op.f("ix_images_sha256"), "images", ["sha256"], unique=False)
    op.create_table(
        "inspections",
        sa.Column("bank", words(63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("review_threshold", sa.Float(), nullable=False),
        sa.Column("reject_threshold", sa.Float(), nullable=False),
        sa.Column("decision", words(16), nullable=False),
        sa.Column("regions", document(), nullable=False),
        sa.Column("timings", document(), nullable=False),
        sa.Column("digests", document(), nullable=False),
        sa.Column("id", words(36), nullable=False),
        sa.Column("serial", words(128), nullable=True),
        sa.Column("station", words(128), nullable=True),
        sa.Column("name", words(255), nullable=True),
        sa.Column("image_sha256", words(64), nullable=True),
        sa.Column("nearest", document(), nullable=True),
        sa.Column("actor", words(255), nullable=True),
        sa.Column("verdict", words(16), nullable=True),
        sa.Column("created_at", utc(), nullable=False),
        sa.CheckConstraint(
            "decision IN ('accept', 'review', 'reject')", name=op.f("ck_inspections_decision")
        ),
        sa.CheckConstraint(
            "verdict IN ('confirmed_defect', 'false_alarm', 'missed_defect')",
            name=op.f("ck_inspections_verdict"),
        ),
        sa.ForeignKeyConstraint(["image_sha256"], ["blobs.sha256"], name=op.f("fk_inspections_image_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
    )
    op.create_index(
        op.f("ix_inspections_bank_decision_id"), "inspections", ["bank", "decision", "id"], unique=False
    )
    op.create_index(op.f("ix_inspections_bank_id"), "inspections", ["bank", "id"], unique=False)
    op.create_index(op.f("ix_inspections_created_at"), "inspections", ["created_at"], unique=False)
    op.create_index(
        op.f("ix_inspections_decision_created_at"), "inspections", ["decision", "created_at"], unique=False
    )
    op.create_index(op.f("ix_inspections_image_sha256"), "inspections", ["image_sha256"], unique=False)
    op.create_index(op.f("ix_inspections_serial_id"), "inspections", ["serial", "id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", words(36), nullable=False),
        sa.Column("bank", words(63), nullable=False),
        sa.Column("kind", words(32), nullable=False),
        sa.Column("request", document(), nullable=False),
        sa.Column("actor", words(255), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.Column("state", words(16), nullable=False),
        sa.Column("stage", words(64), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("seconds_left", sa.Float(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("error", document(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", words(255), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", utc(), nullable=True),
        sa.Column("started_at", utc(), nullable=True),
        sa.Column("finished_at", utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_jobs_state")
        ),
        sa.ForeignKeyConstraint(["bank"], ["banks.id"], name=op.f("fk_jobs_bank"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_bank_id"), "jobs", ["bank", "id"], unique=False)
    op.create_index(op.f("ix_jobs_state_id"), "jobs", ["state", "id"], unique=False)
    op.create_index(
        "uq_jobs_active_bank", "jobs", ["bank"], unique=True, postgresql_where=ACTIVE, sqlite_where=ACTIVE
    )
    op.create_table(
        "threshold_changes",
        sa.Column("id", words(36), nullable=False),
        sa.Column("bank", words(63), nullable=False),
        sa.Column("review_threshold", sa.Float(), nullable=True),
        sa.Column("reject_threshold", sa.Float(), nullable=True),
        sa.Column("target_false_reject", sa.Float(), nullable=True),
        sa.Column("target_review", sa.Float(), nullable=True),
        sa.Column("actor", words(255), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bank"], ["banks.id"], name=op.f("fk_threshold_changes_bank"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_threshold_changes")),
    )
    op.create_index(op.f("ix_threshold_changes_bank"), "threshold_changes", ["bank"], unique=False)
    op.create_table(
        "versions",
        sa.Column("bank", words(63), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("summary", document(), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.Column("job_id", words(36), nullable=True),
        sa.Column("state", words(16), nullable=False),
        sa.Column("reason", words(4000), nullable=True),
        sa.CheckConstraint("state IN ('ok', 'quarantined')", name=op.f("ck_versions_state")),
        sa.ForeignKeyConstraint(["bank"], ["banks.id"], name=op.f("fk_versions_bank"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_versions_sha256")),
        sa.PrimaryKeyConstraint("bank", "number", name=op.f("pk_versions")),
    )
    op.create_index(op.f("ix_versions_sha256"), "versions", ["sha256"], unique=False)
    op.create_table(
        "job_images",
        sa.Column("job_id", words(36), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("name", words(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_images_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_job_images_sha256")),
        sa.PrimaryKeyConstraint("job_id", "sha256", name=op.f("pk_job_images")),
    )
    op.create_index(op.f("ix_job_images_sha256"), "job_images", ["sha256"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("inspection_id", words(36), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("verdict", words(16), nullable=False),
        sa.Column("note", words(4000), nullable=False),
        sa.Column("actor", words(255), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('confirmed_defect', 'false_alarm', 'missed_defect')", name=op.f("ck_reviews_verdict")
        ),
        sa.ForeignKeyConstraint(
            ["inspection_id"], ["inspections.id"], name=op.f("fk_reviews_inspection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("inspection_id", "revision", name=op.f("pk_reviews")),
    )
