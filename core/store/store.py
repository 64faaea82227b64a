"""Store: every repository over one database."""

from __future__ import annotations

from core.settings import CoreSettings
from core.store.accounts import Accounts
from core.store.audit import Audit
from core.store.catalog import Catalog
from core.store.changes import Changes
from core.store.channels import Channels
from core.store.checkins import CheckIns
from core.store.database import Database
from core.store.identities import Identities
from core.store.instances import Instances
from core.store.invitations import Invitations
from core.store.keys import Keys
from core.store.logs import Logs
from core.store.oauth_providers import OAuthProviders
from core.store.options import OptionRows
from core.store.orders import Orders
from core.store.passkeys import Passkeys
from core.store.proofs import Proofs
from core.store.redemptions import Redemptions
from core.store.responses import Responses
from core.store.secrets import Vault
from core.store.sessions import Sessions
from core.store.statistics import Statistics
from core.store.subscriptions import Subscriptions
from core.store.system_tasks import SystemTasks
from core.store.two_factor import TwoFactors
from core.subscriptions.periods import known_zone


class Store:
    """What management and state ask for. Rows are the models of core/store/models.py; secrets are decrypted."""

    def __init__(self, database: Database, settings: CoreSettings) -> None:
        self.database = database
        self.vault = Vault(settings)
        self.changes = Changes(database)
        self.accounts = Accounts(database, self.vault)
        self.keys = Keys(database, self.vault)
        self.channels = Channels(database, self.vault)
        self.options = OptionRows(database, self.vault)
        self.statistics = Statistics(database)
        self.logs = Logs(database, self.statistics)
        self.redemptions = Redemptions(database, self.vault)
        self.two_factor = TwoFactors(database, self.vault)
        self.passkeys = Passkeys(database)
        self.checkins = CheckIns(database)
        self.audit = Audit(database)
        self.sessions = Sessions(database, self.vault)
        self.identities = Identities(database)
        self.oauth_providers = OAuthProviders(database, self.vault)
        self.proofs = Proofs(database, self.vault)
        self.subscriptions = Subscriptions(database, known_zone(settings.time_zone))
        self.orders = Orders(database, self.subscriptions)
        self.responses = Responses(database, self.vault)
        self.invitations = Invitations(database)
        self.system_tasks = SystemTasks(database)
        self.catalog = Catalog(database)
        self.instances = Instances(database)
