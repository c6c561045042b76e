"""Fine-tune a Kurmanji voice, hear it get better, put it to use.

The rooms of this library. A module imports from its own room and from the rooms above it, never from one below:

    core        settings, errors, atomic files, progress bars, cards
    audio       decoding, resampling, levels, spectrograms, pitch
    text        what is written becomes what is spoken, and token ids
    data        corpora, filters, preprocessing, training sets
    vits        the network, its losses, the training step, the trainer, checkpoints
    speech      text of any length to sound
    evaluation  metrics with their intervals, reports, pictures, listening tests
    voices      registry, fine-tuning, export
    feedback    corrections: store, checks, training on them
    widgets     what a notebook shows
    service     HTTP: speech and corrections for other programs
    cli         `kurdtts`
"""

__version__ = "0.1.0"
