"""The pages of sources: places outside that items come from. One-time files are in `labeling.web.imports`."""
