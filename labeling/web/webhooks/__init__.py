"""The pages of a project's webhooks, and of the messages that they sent."""
