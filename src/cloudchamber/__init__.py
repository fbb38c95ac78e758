"""Cloud Chamber: generative models for collider events, made for the Electron-Ion Collider."""

__version__ = "0.1.0"
