"""The pages of a project's members and invitations. The page of an invited person is in `labeling.web.account`."""
