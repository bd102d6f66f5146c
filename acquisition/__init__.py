"""Sessions: a device feeds a recorder, which never drops, and a pipeline and viewers, which may skip and count it."""
