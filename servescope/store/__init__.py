"""The metrics store: frames in, ranges and quantiles out; one backend a file."""
