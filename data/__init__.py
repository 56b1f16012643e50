"""From archives, videos and generators to dataset folders and stored features: `python -m data`."""
