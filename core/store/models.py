"""The tables, with New API's names where it has them. Migrations hold frozen copies; change both together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    DatabaseProxy,
    FloatField,
    IntegerField,
    Model,
    TextField,
)

proxy = DatabaseProxy()


def bind(database: Any) -> None:
    """Binds every model to a database."""
    proxy.initialize(database)
    for model in MODELS:
        model.bind(database, bind_refs=False, bind_backrefs=False)


class Base(Model):
    """What all tables share. peewee adds id itself where no other field is the primary key."""

    if TYPE_CHECKING:
        id: ClassVar[Any]

    class Meta:
        """Bound at start."""

        database = proxy
        legacy_table_names = False


class User(Base):
    """An account. purse_id names its money; quota is not a column that is spent from."""

    username = CharField(191, unique=True)
    password = CharField(255, default="")
    display_name = CharField(191, default="", index=True)
    role = IntegerField(default=1)
    status = IntegerField(default=1)
    email = CharField(191, default="", index=True)
    access_token_hash = CharField(64, null=True, unique=True)
    group = CharField(64, default="default")
    aff_code = CharField(32, unique=True)
    inviter_id = BigIntegerField(default=0, index=True)
    setting = TextField(default="")
    remark = CharField(255, default="")
    purse_id = BigIntegerField(default=0)
    used_quota = BigIntegerField(default=0)
    request_count = BigIntegerField(default=0)
    stripe_customer = CharField(64, default="")
    session_epoch = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    last_login_at = BigIntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "users"


class Token(Base):
    """An API key, found by its hash; key is encrypted, or empty where secrets are not kept. 0 limits nothing."""

    user_id = BigIntegerField(index=True)
    key = TextField()
    key_hash = CharField(64, unique=True)
    key_hint = CharField(16, default="")
    status = IntegerField(default=1)
    name = CharField(191, default="", index=True)
    created_time = BigIntegerField(default=0)
    accessed_time = BigIntegerField(default=0)
    expired_time = BigIntegerField(default=-1)
    unlimited_quota = BooleanField(default=False)
    purse_id = BigIntegerField(default=0)
    model_limits_enabled = BooleanField(default=False)
    model_limits = TextField(default="")
    allow_ips = TextField(default="")
    used_quota = BigIntegerField(default=0)
    group = CharField(64, default="")
    cross_group_retry = BooleanField(default=False)
    deleted_at = BigIntegerField(default=0)
    requests_per_minute = BigIntegerField(default=0)
    tokens_per_minute = BigIntegerField(default=0)
    concurrency = BigIntegerField(default=0)
    budget_units = BigIntegerField(default=0)
    budget_period = CharField(8, default="")
    operations = CharField(255, default="")
    old_key_hash = CharField(64, default="")
    old_key_until = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "tokens"


class Channel(Base):
    """A way to a vendor. key is encrypted."""

    type = IntegerField(default=0)
    key = TextField(default="")
    open_ai_organization = TextField(default="")
    test_model = TextField(default="")
    status = IntegerField(default=1)
    name = CharField(191, default="", index=True)
    weight = BigIntegerField(default=0)
    created_time = BigIntegerField(default=0)
    test_time = BigIntegerField(default=0)
    response_time = IntegerField(default=0)
    base_url = TextField(default="")
    other = TextField(default="")
    balance = FloatField(default=0)
    models = TextField(default="")
    group = TextField(default="default")
    used_quota = BigIntegerField(default=0)
    model_mapping = TextField(default="")
    status_code_mapping = TextField(default="")
    priority = BigIntegerField(default=0)
    auto_ban = IntegerField(default=1)
    other_info = TextField(default="")
    tag = CharField(191, default="", index=True)
    setting = TextField(default="")
    settings = TextField(default="")
    param_override = TextField(default="")
    header_override = TextField(default="")
    remark = CharField(255, default="")
    channel_info = TextField(default="")

    class Meta:
        """New API's name."""

        table_name = "channels"


class Option(Base):
    """A setting that administrators changed."""

    key = CharField(191, primary_key=True)
    value = TextField(default="")

    class Meta:
        """New API's name."""

        table_name = "options"


class Setup(Base):
    """One row: the first administrator exists."""

    version = CharField(50)
    initialized_at = BigIntegerField()

    class Meta:
        """New API's name."""

        table_name = "setups"


class Log(Base):
    """A line of the log; requests carry their receipt."""

    user_id = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    type = IntegerField(default=0)
    content = TextField(default="")
    username = CharField(191, default="")
    token_name = CharField(191, default="")
    model_name = CharField(255, default="")
    quota = BigIntegerField(default=0)
    prompt_tokens = BigIntegerField(default=0)
    completion_tokens = BigIntegerField(default=0)
    use_time = IntegerField(default=0)
    is_stream = BooleanField(default=False)
    channel_id = BigIntegerField(default=0)
    token_id = BigIntegerField(default=0)
    group = CharField(64, default="")
    ip = CharField(64, default="")
    request_id = CharField(64, default="", index=True)
    entry = IntegerField(default=0)
    receipt = BlobField(null=True)
    other = TextField(default="")
    upstream_request_id = CharField(128, default="", index=True)

    class Meta:
        """New API's name; an index for each column that lists are filtered by, by time."""

        table_name = "logs"
        indexes = (
            (("created_at", "id"), False),
            (("type", "created_at"), False),
            (("user_id", "created_at"), False),
            (("token_id", "created_at"), False),
            (("channel_id", "created_at"), False),
            (("model_name", "created_at"), False),
        )


class UsageSum(Base):
    """What was used in an hour, by one cut (core/ledger/statistics.py)."""

    slot = CharField(40, primary_key=True)
    cut = IntegerField()
    created_at = BigIntegerField()
    user_id = BigIntegerField(default=0)
    username = CharField(191, default="")
    token_id = BigIntegerField(default=0)
    token_name = CharField(191, default="")
    channel_id = BigIntegerField(default=0)
    model_name = CharField(255, default="")
    group = CharField(64, default="")
    node_name = CharField(64, default="")
    requests = BigIntegerField(default=0)
    quota = BigIntegerField(default=0)
    prompt_tokens = BigIntegerField(default=0)
    completion_tokens = BigIntegerField(default=0)
    cached_tokens = BigIntegerField(default=0)

    class Meta:
        """Indexes of what sums are asked for by."""

        table_name = "usage_sums"
        indexes = (
            (("cut", "created_at"), False),
            (("user_id", "cut", "created_at"), False),
            (("username", "user_id"), False),
            (("token_name", "token_id"), False),
            (("channel_id", "cut", "created_at"), False),
        )


class PerfMetric(Base):
    """How a model did in a while."""

    slot = CharField(40, primary_key=True)
    bucket_ts = BigIntegerField(index=True)
    model_name = CharField(255)
    group = CharField(64, default="")
    request_count = BigIntegerField(default=0)
    success_count = BigIntegerField(default=0)
    total_latency_ms = BigIntegerField(default=0)
    ttft_sum_ms = BigIntegerField(default=0)
    ttft_count = BigIntegerField(default=0)
    output_tokens = BigIntegerField(default=0)
    generation_ms = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "perf_metrics"
        indexes = ((("model_name", "bucket_ts"), False),)


class Redemption(Base):
    """A code that gives units, once: encrypted, found by its hash."""

    user_id = BigIntegerField(default=0)
    key = TextField()
    key_hash = CharField(64, unique=True)
    status = IntegerField(default=1)
    name = CharField(191, default="", index=True)
    quota = BigIntegerField(default=0)
    created_time = BigIntegerField(default=0)
    redeemed_time = BigIntegerField(default=0)
    used_user_id = BigIntegerField(default=0)
    expired_time = BigIntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "redemptions"


class Order(Base):
    """Money on its way in: a top-up, or the price of a subscription. expected is what the provider must say.

    agreement: the provider's id of the subscription by which it goes on charging; subscription_id: ours, that the
    order gave; renews: the order whose agreement paid this one.
    """

    user_id = BigIntegerField(index=True)
    plan_id = BigIntegerField(default=0)
    amount = BigIntegerField(default=0)
    money = CharField(32, default="0")
    currency = CharField(8, default="")
    quota = BigIntegerField(default=0)
    trade_no = CharField(191, unique=True)
    payment_method = CharField(50, default="")
    payment_provider = CharField(50, default="")
    reference = CharField(255, default="")
    product = CharField(128, default="")
    expected = CharField(32, default="")
    status = CharField(16, default="pending")
    problem = TextField(default="")
    terms = TextField(default="")
    create_time = BigIntegerField(default=0, index=True)
    complete_time = BigIntegerField(default=0)
    completed_by = BigIntegerField(default=0)
    agreement = CharField(128, default="", index=True)
    subscription_id = BigIntegerField(default=0)
    renews = BigIntegerField(default=0, index=True)

    class Meta:
        """New API's name."""

        table_name = "top_ups"


class Plan(Base):
    """What is sold: quota for a time. price_amount is an exact decimal, USD."""

    title = CharField(128)
    subtitle = CharField(255, default="")
    price_amount = CharField(32, default="0")
    currency = CharField(8, default="USD")
    duration_unit = CharField(16, default="month")
    duration_value = BigIntegerField(default=1)
    custom_seconds = BigIntegerField(default=0)
    enabled = BooleanField(default=True)
    sort_order = BigIntegerField(default=0)
    allow_balance_pay = BooleanField(default=True)
    allow_wallet_overflow = BooleanField(default=True)
    stripe_price_id = CharField(128, default="")
    creem_product_id = CharField(128, default="")
    max_purchase_per_user = BigIntegerField(default=0)
    upgrade_group = CharField(64, default="")
    downgrade_group = CharField(64, default="")
    total_amount = BigIntegerField(default=0)
    quota_reset_period = CharField(16, default="never")
    quota_reset_custom_seconds = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "subscription_plans"


class Subscription(Base):
    """What an account has of a plan; purse_id is this period's money."""

    user_id = BigIntegerField()
    plan_id = BigIntegerField(default=0)
    amount_total = BigIntegerField(default=0)
    purse_id = BigIntegerField(default=0)
    start_time = BigIntegerField(default=0)
    end_time = BigIntegerField(default=0)
    status = CharField(32, default="active")
    source = CharField(32, default="order")
    last_reset_time = BigIntegerField(default=0)
    next_reset_time = BigIntegerField(default=0)
    reset_period = CharField(16, default="never")
    reset_seconds = BigIntegerField(default=0)
    upgrade_group = CharField(64, default="")
    prev_user_group = CharField(64, default="")
    downgrade_group = CharField(64, default="")
    allow_wallet_overflow = BooleanField(default=True)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name and indexes."""

        table_name = "user_subscriptions"
        indexes = (
            (("user_id", "status", "end_time"), False),
            (("status", "end_time"), False),
            (("status", "next_reset_time"), False),
        )


class TwoFactor(Base):
    """An account's second factor: the secret is encrypted."""

    user_id = BigIntegerField(unique=True)
    secret = TextField()
    is_enabled = BooleanField(default=False)
    failed_attempts = IntegerField(default=0)
    locked_until = BigIntegerField(default=0)
    last_used_at = BigIntegerField(default=0)
    last_step = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "two_fas"


class BackupCode(Base):
    """A code for the day the authenticator is lost: its keyed hash."""

    user_id = BigIntegerField(index=True)
    code_hash = CharField(255)
    is_used = BooleanField(default=False)
    used_at = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "two_fa_backup_codes"


class Passkey(Base):
    """An account's passkey: what is public of it. credential_id and public_key are base64."""

    user_id = BigIntegerField(unique=True)
    credential_hash = CharField(64, unique=True)
    credential_id = TextField()
    public_key = TextField()
    attestation_type = CharField(255, default="")
    aa_guid = CharField(64, default="")
    sign_count = BigIntegerField(default=0)
    clone_warning = BooleanField(default=False)
    user_verified = BooleanField(default=False)
    backup_eligible = BooleanField(default=False)
    backup_state = BooleanField(default=False)
    last_used_at = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "passkey_credentials"


class AuditEntry(Base):
    """One action, refused ones too."""

    created_at = BigIntegerField(index=True)
    account_id = BigIntegerField()
    username = CharField(191, default="")
    role = IntegerField(default=0)
    auth_method = CharField(16, default="")
    address = CharField(64, default="")
    request_id = CharField(64, default="")
    action = CharField(64, index=True)
    params = TextField(default="")
    changes = TextField(default="")
    reason = CharField(64, default="")

    class Meta:
        """Read by who, by what and by when."""

        table_name = "audit_entries"
        indexes = ((("account_id", "created_at"), False),)


class OpenSession(Base):
    """One browser that is signed in; found by the hash of what it shows."""

    user_id = BigIntegerField(index=True)
    session_hash = CharField(64, unique=True)
    method = CharField(64, default="")
    address = CharField(64, default="")
    agent = CharField(255, default="")
    created_at = BigIntegerField(default=0)
    last_seen_at = BigIntegerField(default=0)
    expires_at = BigIntegerField(default=0, index=True)

    class Meta:
        """Our own table: New API keeps no sessions."""

        table_name = "sessions"


class Identity(Base):
    """Who an account is at a provider."""

    user_id = BigIntegerField()
    provider = CharField(32)
    subject = CharField(255)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; one of a provider for each account, and one account for each."""

        table_name = "user_oauth_bindings"
        indexes = ((("provider", "subject"), True), (("user_id", "provider"), True))


class CustomProvider(Base):
    """A provider that root described. client_secret is encrypted."""

    name = CharField(64)
    slug = CharField(64, unique=True)
    icon = CharField(128, default="")
    enabled = BooleanField(default=False)
    client_id = CharField(255)
    client_secret = TextField()
    authorization_endpoint = CharField(512)
    token_endpoint = CharField(512)
    user_info_endpoint = CharField(512)
    scopes = CharField(255, default="openid profile email")
    user_id_field = CharField(128, default="sub")
    username_field = CharField(128, default="preferred_username")
    display_name_field = CharField(128, default="name")
    email_field = CharField(128, default="email")
    well_known = CharField(512, default="")
    auth_style = IntegerField(default=0)
    access_policy = TextField(default="")
    access_denied_message = CharField(512, default="")
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "custom_oauth_providers"


class CheckIn(Base):
    """A day on which an account came by."""

    user_id = BigIntegerField()
    checkin_date = CharField(10)
    quota_awarded = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; one a day."""

        table_name = "checkins"
        indexes = ((("user_id", "checkin_date"), True),)


class Proof(Base):
    """Something to be shown once, soon: a sign-in that waits for its code, a code sent by mail."""

    purpose = CharField(16)
    subject_hash = CharField(64)
    code_hash = CharField(64, default="")
    account_id = BigIntegerField(default=0)
    detail = TextField(default="")
    attempts = IntegerField(default=0)
    created_at = BigIntegerField(default=0)
    expires_at = BigIntegerField(default=0, index=True)

    class Meta:
        """One of a kind for each subject."""

        table_name = "proofs"
        indexes = ((("purpose", "subject_hash"), True),)


class SystemTask(Base):
    """Work that one worker of all does at a time. active_key is the type while it is under way."""

    task_id = CharField(64, unique=True)
    type = CharField(32, index=True)
    status = CharField(16)
    active_key = CharField(32, null=True, unique=True)
    payload = TextField(default="")
    state = TextField(default="")
    result = TextField(default="")
    error = TextField(default="")
    locked_by = CharField(191, default="")
    locked_until = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "system_tasks"


class KeptResponse(Base):
    """An answer of the Responses dialect: its content, encrypted, or the channel whose vendor keeps it."""

    user_id = BigIntegerField()
    response_id = CharField(128)
    previous_id = CharField(128, default="")
    channel_id = BigIntegerField(default=0)
    key_index = IntegerField(default=0)
    content = BlobField(null=True)
    size = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    expires_at = BigIntegerField(default=0, index=True)

    class Meta:
        """An id is one account's."""

        table_name = "kept_responses"
        indexes = ((("user_id", "response_id"), True),)


class SystemInstance(Base):
    """A worker, as it reported itself."""

    worker = CharField(128, primary_key=True)
    node = CharField(64, index=True)
    slot = IntegerField(default=0)
    info = TextField(default="")
    started_at = BigIntegerField(default=0)
    last_seen_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        table_name = "system_instances"


class ModelRow(Base):
    """What people read of models: of one, or of those whose names a rule takes."""

    model_name = CharField(128)
    description = TextField(default="")
    icon = CharField(128, default="")
    tags = CharField(255, default="")
    vendor_id = BigIntegerField(default=0, index=True)
    endpoints = TextField(default="")
    status = IntegerField(default=1)
    sync_official = IntegerField(default=1)
    created_time = BigIntegerField(default=0)
    updated_time = BigIntegerField(default=0)
    name_rule = IntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; a deleted row keeps its name."""

        table_name = "models"
        indexes = ((("model_name", "deleted_at"), True),)


class VendorRow(Base):
    """Who made models."""

    name = CharField(128)
    description = TextField(default="")
    icon = CharField(128, default="")
    status = IntegerField(default=1)
    created_time = BigIntegerField(default=0)
    updated_time = BigIntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; a deleted row keeps its name."""

        table_name = "vendors"
        indexes = ((("name", "deleted_at"), True),)


class PrefillGroup(Base):
    """Texts that the console fills in together: models, tags or endpoints. items is JSON."""

    name = CharField(64)
    type = CharField(32, index=True)
    items = TextField(default="[]")
    description = CharField(255, default="")
    created_time = BigIntegerField(default=0)
    updated_time = BigIntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; a deleted row keeps its name."""

        table_name = "prefill_groups"
        indexes = ((("name", "deleted_at"), True),)


class Change(Base):
    """The change feed: what was written, in order."""

    kind = CharField(16)
    entity_id = BigIntegerField(default=0)

    class Meta:
        """The feed's own name."""

        table_name = "changes"


MODELS = (
    User,
    Token,
    Channel,
    Option,
    Setup,
    Log,
    UsageSum,
    PerfMetric,
    Redemption,
    Order,
    Plan,
    Subscription,
    TwoFactor,
    BackupCode,
    Passkey,
    AuditEntry,
    OpenSession,
    Identity,
    CustomProvider,
    CheckIn,
    Proof,
    SystemTask,
    SystemInstance,
    ModelRow,
    VendorRow,
    PrefillGroup,
    KeptResponse,
    Change,
)
