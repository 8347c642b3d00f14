-- Prosody for a benchmark. Words after a dollar sign are filled in by prosody.py; one of them is the text of one of
-- prosody.*.cfg.lua: what is stored, where.
-- Loopback only, no TLS, no other servers, no limits of rates: only the work of messaging is left.
run_as_root = true
data_path = "$data"
pidfile = "$data/prosody.pid"
log = { warn = "$data/prosody.log" }

interfaces = { "127.0.0.1" }
c2s_ports = { $port }
network_backend = "epoll"
network_settings = { tcp_backlog = 4096 }

-- What Debian's configuration turns on, but for limits of rates, TLS, other servers and administration.
modules_enabled = {
	"blocklist", "bookmarks", "carbons", "csi_simple", "disco", "pep", "ping", "posix", "private", "register", "roster",
	"saslauth", "smacks", "time", "uptime", "vcard4", "vcard_legacy", "version",
}
modules_disabled = { "s2s", "s2s_auth_certs", "tls" }

-- Plain passwords: a sign-in costs no hashing, which is in Prosody's favour.
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true

storage = "internal"

VirtualHost "localhost"
$archive
Component "groups.localhost" "muc"
	restrict_room_creation = false
	muc_room_locking = false
	muc_room_default_persistent = true
	-- Nobody hears who else comes and goes: a thousand who join would be half a million stanzas.
	muc_room_default_presence_broadcast = { visitor = false; participant = false; moderator = false }
	max_history_messages = 0
	muc_room_default_history_length = 0
