"""Fine-tune a Kurmanji voice, hear it get better, put it to use.

Arrows point one way: settings, audio, text -> corpus -> vits -> voices -> widgets -> command line.
"""

__version__ = "0.1.0"
