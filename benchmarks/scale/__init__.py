"""The heavy steps in one process, and beside that on Ray clusters."""
