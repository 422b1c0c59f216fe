"""The database's own matters: plain SQL, outages, long writes, a replica, encrypted texts. No tables."""
