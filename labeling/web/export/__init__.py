"""The page that exports labels. Dataset versions have a folder of their own."""
