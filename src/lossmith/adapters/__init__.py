"""One framework, one file; `Loss.to(name)` loads the file and calls its `adapt`."""
