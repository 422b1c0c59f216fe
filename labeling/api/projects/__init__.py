"""Endpoints of what managers decide about a project: settings, classes, members, guidelines, webhooks, sources."""
