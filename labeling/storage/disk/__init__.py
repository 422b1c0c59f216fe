"""Files of this host: atomic writes, arrays with checksums. Files that hosts share are in `storage.shared_files`."""
