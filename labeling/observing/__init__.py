"""What watches the server: the audit log, log lines, metrics and traces. Figures for managers are in `insight`."""
