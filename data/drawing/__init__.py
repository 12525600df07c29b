"""A small ray tracer that draws photo-like pictures of groceries, every pixel of every object known."""
