"""The heavy steps in one process, compared with Ray clusters."""
