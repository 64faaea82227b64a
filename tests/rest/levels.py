"""Who may call which management route, as New API has it: written down apart from the router, to be compared with it."""

from __future__ import annotations

TABLE = """
GET    /api/setup                            public
POST   /api/setup                            public
GET    /api/status                           public
GET    /api/status/test                      admin
GET    /api/notice                           public
GET    /api/about                            public
GET    /api/home_page_content                public
GET    /api/user-agreement                   public
GET    /api/privacy-policy                   public
GET    /api/pricing                          public
GET    /api/ratio_config                     public
GET    /api/models                           user
POST   /api/verify                           user
POST   /api/user/register                    public
POST   /api/user/login                       public
GET    /api/user/logout                      public
GET    /api/user/groups                      public
GET    /api/user/self/groups                 user
GET    /api/user/self                        user
PUT    /api/user/self                        user
DELETE /api/user/self                        user
PUT    /api/user/setting                     user
GET    /api/user/models                      user
GET    /api/user/token                       user
GET    /api/user/aff                         user
GET    /api/user/                            admin
POST   /api/user/                            admin
PUT    /api/user/                            admin
GET    /api/user/search                      admin
POST   /api/user/manage                      admin
GET    /api/user/:id                         admin
DELETE /api/user/:id                         admin
GET    /api/token/                           user
POST   /api/token/                           user
PUT    /api/token/                           user
GET    /api/token/search                     user
POST   /api/token/batch                      user
POST   /api/token/batch/keys                 user
GET    /api/token/:id                        user
DELETE /api/token/:id                        user
POST   /api/token/:id/key                    user
GET    /api/channel/                         admin
POST   /api/channel/                         admin
PUT    /api/channel/                         admin
GET    /api/channel/search                   admin
GET    /api/channel/models                   admin
GET    /api/channel/models_enabled           admin
GET    /api/channel/test/:id                 admin
GET    /api/channel/fetch_models/:id         admin
POST   /api/channel/fetch_models             root
GET    /api/channel/update_balance/:id       admin
DELETE /api/channel/disabled                 admin
POST   /api/channel/batch                    admin
POST   /api/channel/batch/tag                admin
POST   /api/channel/tag/enabled              admin
POST   /api/channel/tag/disabled             admin
PUT    /api/channel/tag                      admin
GET    /api/channel/tag/models               admin
POST   /api/channel/multi_key/manage         admin
POST   /api/channel/fix                      admin
POST   /api/channel/copy/:id                 admin
GET    /api/channel/:id                      admin
DELETE /api/channel/:id                      admin
POST   /api/channel/:id/key                  root
GET    /api/option/                          root
PUT    /api/option/                          root
POST   /api/option/rest_model_ratio          root
GET    /api/log/                             admin
DELETE /api/log/                             root
GET    /api/log/stat                         admin
GET    /api/log/search                       admin
GET    /api/log/self                         user
GET    /api/log/self/stat                    user
GET    /api/log/self/search                  user
GET    /api/log/token                        key
GET    /api/data/                            admin
GET    /api/data/users                       admin
GET    /api/data/self                        user
GET    /api/data/flow                        admin
GET    /api/data/flow/self                   user
GET    /api/group/                           admin
GET    /api/usage/token/                     key
GET    /api/redemption/                      admin
POST   /api/redemption/                      admin
PUT    /api/redemption/                      admin
GET    /api/redemption/search                admin
DELETE /api/redemption/invalid               admin
GET    /api/redemption/:id                   admin
DELETE /api/redemption/:id                   admin
POST   /api/user/topup                       user
GET    /api/user/topup/info                  user
GET    /dashboard/billing/subscription       key
GET    /v1/dashboard/billing/subscription    key
GET    /dashboard/billing/usage              key
GET    /v1/dashboard/billing/usage           key
"""

LEVELS: dict[tuple[str, str], str] = {
    (method, path): level for method, path, level in (line.split() for line in TABLE.strip().splitlines())
}
RANK = {"public": 0, "user": 1, "admin": 10, "root": 100}
