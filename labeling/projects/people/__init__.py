"""Who may do what in a project: members, roles, invitations, and second factors of sign-in."""
