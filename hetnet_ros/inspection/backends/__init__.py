"""Backends: what runs a model, from images to raw maps.  One interface, several runtimes, each imported when it is used."""
