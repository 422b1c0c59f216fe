"""The choice of a project's encoder, its comparison with others, its change, and servers that embed texts.

Encoders themselves are in `models_store.encoders`; `steps` runs them.
"""
