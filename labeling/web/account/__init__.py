"""A person's own pages: sign-in, password, second factors, tokens, notices, invitations. Members of projects are in
`labeling.web.members`.
"""
