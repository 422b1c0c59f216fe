#!/usr/bin/env python
"""Runs Marginalia's management commands."""

from config.command_line import main

if __name__ == "__main__":
    main()
