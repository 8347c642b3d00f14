	-- Every message is put into the archive (XEP-0313), in files of its own format, as shipped.
	modules_enabled = { "mam" }
	default_archive_policy = true
