"""Other messaging servers, run on this machine under the same work as Tidings, so that figures stand side by side."""
