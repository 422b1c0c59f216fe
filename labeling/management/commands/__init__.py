"""The commands, a module each: they parse arguments, call the layers below and print results."""
