"""Options about the site: names, texts, pages, mail."""

from __future__ import annotations

from core.options.console import ANNOUNCEMENTS, API_INFO, FAQ, UPTIME
from core.options.kinds import OBJECTS, SWITCH, TEXT, choice, free, whole
from core.options.row import Row

ROWS = (
    Row("SystemName", TEXT, "Isthmus", "The site's name.", public=True),
    Row("Logo", TEXT, "", "Address of the logo.", public=True),
    Row("Footer", TEXT, "", "The footer, HTML.", public=True),
    Row("Notice", TEXT, "", "The notice, Markdown.", public=True),
    Row("About", TEXT, "", "The about page: Markdown, or an address.", public=True),
    Row("HomePageContent", TEXT, "", "The front page: Markdown, or an address.", public=True),
    Row("ServerAddress", TEXT, "", "The address users reach the site by.", public=True),
    Row("TopUpLink", TEXT, "", "Where codes are bought.", public=True),
    Row("ChatLink", TEXT, "", "A chat client's address.", used=False, public=True),
    Row("ChatLink2", TEXT, "", "Another.", used=False, public=True),
    Row("Chats", OBJECTS, "[]", "Chat clients: [{name: link}]; {key}, {address}, {cherryConfig} are filled in.",
        public=True),
    Row("DemoSiteEnabled", SWITCH, "false", "A site to be looked at.", public=True),
    Row("SelfUseModeEnabled", SWITCH, "false", "Models without a price may be used.", public=True),
    Row("DefaultCollapseSidebar", SWITCH, "false", "The console starts with a narrow sidebar.", public=True),
    Row("HeaderNavModules", free(), "", "Pages of the header, JSON.", public=True),
    Row("SidebarModulesAdmin", free(), "", "Pages of the sidebar, JSON.", public=True),
    Row("general_setting.docs_link", TEXT, "", "Where the documentation is.", public=True),
    Row("legal.user_agreement", TEXT, "", "The user agreement.", public=True),
    Row("legal.privacy_policy", TEXT, "", "The privacy policy.", public=True),
    Row("theme.frontend", choice("default", "classic"), "default", "New API's console of two.", used=False,
        why_not="there is one console here"),
    Row("console_setting.announcements", ANNOUNCEMENTS, "[]", "Announcements: [{content, publishDate, type, extra}].",
        public=True),
    Row("console_setting.announcements_enabled", SWITCH, "true", "Show them.", public=True),
    Row("console_setting.api_info", API_INFO, "[]", "Addresses of the API: [{url, description, route, color}].",
        public=True),
    Row("console_setting.api_info_enabled", SWITCH, "true", "Show them.", public=True),
    Row("console_setting.faq", FAQ, "[]", "Questions: [{question, answer}].", public=True),
    Row("console_setting.faq_enabled", SWITCH, "true", "Show them.", public=True),
    Row("console_setting.uptime_kuma_groups", UPTIME, "[]", "Status pages: [{categoryName, url, slug}]."),
    Row("console_setting.uptime_kuma_enabled", SWITCH, "true", "Show them.", public=True),
    Row("SMTPServer", TEXT, "", "The mail server."),
    Row("SMTPPort", whole(1, 65_535), "587", "Its port."),
    Row("SMTPAccount", TEXT, "", "The account there."),
    Row("SMTPFrom", TEXT, "", "The sender; empty: the account."),
    Row("SMTPToken", TEXT, "", "The account's password."),
    Row("SMTPSSLEnabled", SWITCH, "false", "TLS from the first byte."),
    Row("SMTPStartTLSEnabled", SWITCH, "false", "TLS by STARTTLS."),
    Row("SMTPInsecureSkipVerify", SWITCH, "false", "Take any certificate."),
    Row("SMTPForceAuthLogin", SWITCH, "false", "Sign in by AUTH LOGIN."),
)  # fmt: skip
