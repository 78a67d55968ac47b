"""All HTTP: one resource a file. Nothing here blocks the event loop, imports torch, or answers with a traceback."""
