"""The runs, the evidence, the theory and the chapters: `python -m book`."""
