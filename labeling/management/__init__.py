"""What the commands share: their arguments and their output. The commands are in `commands`."""
