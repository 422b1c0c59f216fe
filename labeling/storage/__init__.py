"""Where data are stored: plain SQL and the replica, files of this host and of all hosts, a project's arrays, backups.

Tables are in `models`; what the data mean is not known here.
"""
