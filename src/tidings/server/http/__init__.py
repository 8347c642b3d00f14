"""HTTP: coming in, devices, invites, the admin's calls, health, metrics, and the pages of the web client."""
