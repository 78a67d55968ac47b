"""All HTTP: one resource a file. No route blocks the event loop, imports torch, or answers with a traceback."""
